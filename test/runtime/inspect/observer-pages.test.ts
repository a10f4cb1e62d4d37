// Where the pages are that observe a node: what the helper `observer()` of a REPL answers.
import { afterEach, expect, test } from 'vitest';
import { createNode } from 'troupe';
import { startRepl } from 'troupe/repl';
import { announceObserver } from '../../../src/runtime/inspect/internal.ts';
import { attachTo, temporaryFolder } from '../repl/application.ts';

const folder = temporaryFolder();
afterEach(() => {
  folder.remove();
});

test('addresses are known while they are announced and reached', async () => {
  const node = createNode({ name: 'here@test' });
  const { socket, stop } = await startRepl(node, { dataDir: folder.path });
  const repl = await attachTo({ socket: socket as string });
  const none = /^! \*\* no page observes this node/;
  expect(await repl.run('observer()')).toMatch(none);
  const address = 'http://127.0.0.1:8080/observer/';
  let reached = false;
  const takeBack = announceObserver(node, () => (reached ? address : undefined));
  const again = announceObserver(node, () => (reached ? address : undefined));
  expect(await repl.run('observer()')).toMatch(none);
  reached = true;
  expect(await repl.run('observer()')).toBe(address);
  takeBack();
  expect(await repl.run('observer()[0]')).toBe(`'${address}'`);
  again();
  expect(await repl.run('observer()')).toMatch(none);
  const ends = Array.from({ length: 20 }, (_, index) => announceObserver(node, () => `http://page/${index}`));
  expect(await repl.run('observer().length')).toBe('16');
  for (const end of ends) end();
  expect(await repl.run('observer()')).toMatch(none);
  repl.connection.close();
  await stop();
  await node.stop();
});
