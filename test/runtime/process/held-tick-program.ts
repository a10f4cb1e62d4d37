// Prints how many of the ticks that loading a module has made outlive a collection.
import { createHook } from 'node:async_hooks';
import { setImmediate } from 'node:timers/promises';

const ticks: Array<WeakRef<object>> = [];
const hook = createHook({
  init(_id, type, _trigger, resource: object) {
    if (type === 'TickObject') ticks.push(new WeakRef(resource));
  },
});
hook.enable();
await import(process.argv[2] ?? '');
hook.disable();
await setImmediate();
// What is young may outlive the first one.
for (let turn = 0; turn < 3; turn++) {
  globalThis.gc?.();
  await setImmediate();
}
console.log(`${ticks.filter((tick) => tick.deref() !== undefined).length} alive`);
