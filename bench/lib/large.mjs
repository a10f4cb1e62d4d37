/** A stream of messages of 16 MiB, two of which are under way at any time, and the process that gets them; on either node. */
import { atom, tuple } from '../../dist/runtime/index.js';

const LARGE_BYTES = 16 * 1024 * 1024;
const MORE = atom('more');

/** What the sink tells once the stream flows. */
export const FLOWING = atom('flowing');

/** Sends large messages to a process: two, and another whenever that asks for more. */
export const stream = {
  name: 'stream',
  init(self, kind, to) {
    const large = String(kind) === 'text' ? 'x'.repeat(LARGE_BYTES) : new Uint8Array(LARGE_BYTES).fill(255);
    const message = tuple(self.pid, large);
    for (let i = 0; i < 2; i++) self.send(to, message);
    return { to, message };
  },
  handle: (self, _more, { to, message }) => self.send(to, message),
};

/** Asks for more, and tells a process once four have come. */
export const largeSink = {
  name: 'large sink',
  init: (_self, to) => ({ to, came: 0 }),
  handle(self, [source], state) {
    if (++state.came === 4) self.send(state.to, FLOWING);
    self.send(source, MORE);
  },
};
