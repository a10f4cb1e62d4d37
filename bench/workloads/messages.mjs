/** Messages between processes: one way, round trips, and round a ring. */
import { createNode } from '../../dist/runtime/index.js';
import { bestSeconds, signal } from '../lib/measure.mjs';

/** How many messages the sender of `oneway` sends per turn: a JavaScript function cannot be preempted, so it gives way. */
const BATCH = 256;

class Msg {
  value;

  /** @param {number} value */
  constructor(value) {
    this.value = value;
  }
}

class Ping {
  from;

  /** @param {import('../../dist/runtime/index.js').Pid} from */
  constructor(from) {
    this.from = from;
  }
}

/** One process sends `count` messages to one other; until all have arrived. Messages per second. */
export async function oneway(count = 2_000_000) {
  const node = createNode();
  const seconds = await bestSeconds(async () => {
    const { fire, fired } = signal();
    let arrived = 0;
    const sink = node.spawn({
      name: 'sink',
      init: () => undefined,
      handle(self, message) {
        if (message instanceof Msg && ++arrived === count) {
          fire();
          self.exit('normal');
        }
      },
    });
    node.spawn({
      name: 'source',
      init: (self) => self.send(self.pid, 0),
      handle(self, from) {
        const to = Math.min(count, from + BATCH);
        for (let i = from; i < to; i++) self.send(sink, new Msg(i));
        if (to === count) self.exit('normal');
        self.send(self.pid, to);
      },
    });
    await fired;
  });
  await node.stop();
  return count / seconds;
}

/** Round trips between two processes per second. */
export async function pingpong(count = 500_000) {
  const node = createNode();
  const seconds = await bestSeconds(async () => {
    const { fire, fired } = signal();
    const pong = node.spawn({
      name: 'pong',
      init: () => undefined,
      handle(self, message) {
        if (message instanceof Ping) self.send(message.from, 'pong');
        else self.exit('normal');
      },
    });
    let trips = 0;
    node.spawn({
      name: 'ping',
      init: (self) => self.send(pong, new Ping(self.pid)),
      handle(self) {
        if (++trips === count) {
          self.send(pong, 'stop');
          fire();
          self.exit('normal');
        }
        self.send(pong, new Ping(self.pid));
      },
    });
    await fired;
  });
  await node.stop();
  return count / seconds;
}

/** A token goes round `processes` processes `laps` times. Hops per second. */
export async function ring(processes = 1000, laps = 1000) {
  const node = createNode();
  const seconds = await bestSeconds(async () => {
    const { fire, fired } = signal();
    const forward = {
      name: 'forward',
      init: (self, next) => next,
      handle(self, message, next) {
        self.send(next, message);
        if (message === 'stop') self.exit('normal');
      },
    };
    node.spawn({
      name: 'head',
      init(self) {
        let next = self.pid;
        for (let i = 0; i < processes; i++) next = self.spawn(forward, next);
        self.send(next, 'token');
        return { next, lap: 0 };
      },
      handle(self, message, state) {
        if (message === 'stop') {
          fire();
          self.exit('normal');
        }
        self.send(state.next, ++state.lap === laps ? 'stop' : 'token');
      },
    });
    await fired;
  });
  await node.stop();
  return (processes * laps) / seconds;
}
