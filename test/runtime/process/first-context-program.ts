// A program whose first async context is entered by a handler, and left there. Prints in which contexts other processes ran.
import { AsyncLocalStorage } from 'node:async_hooks';
import { createNode } from 'troupe';

const node = createNode();
const storage = new AsyncLocalStorage<string>();
let open: () => void = () => undefined;
// Made before the context: nothing keeps one for what waits for it.
const opened = new Promise<void>((resolve) => {
  open = resolve;
});

const noting = node.spawn({
  name: 'noting',
  init: () => undefined,
  handle: (_self, message) => {
    console.log(`${String(message)}: ${storage.getStore() ?? 'none'}`);
  },
});
node.spawn(async (self) => {
  await opened;
  for (const message of ['one', 'two']) {
    self.send(noting, message);
    await Promise.resolve();
  }
});
const entering = node.spawn({
  name: 'entering',
  init: () => undefined,
  handle: () => {
    storage.enterWith('theirs');
    open();
  },
});
setTimeout(() => node.send(entering, 'enter'), 1);
