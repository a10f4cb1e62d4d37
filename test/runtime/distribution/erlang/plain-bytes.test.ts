// Bytes that are sent to a node without registered names, such as a C node: `ei_decode_binary` reads them as a binary only, and
// not as the bitstring by which nodes of Troupe tell bytes from text.
import { type AddressInfo, createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { FLAGS } from '../../../../src/runtime/distribution/erlang/internal.ts';
import { collector } from '../cluster.ts';
import { addresses, FULL_FLAGS, rawPeer, startSite } from './raw-peer.ts';

const PLAIN_FLAGS = FULL_FLAGS & ~FLAGS.DIST_MONITOR_NAME;
/** Text to who reads a binary, bytes to who reads a bitstring. */
const BYTES = Uint8Array.from([104, 105]);
const MESSAGE = [BYTES, { deep: [BYTES, 'text', 1.5] }, new Uint8Array(0)];
const AS_BINARIES = ['hi', { deep: ['hi', 'text', 1.5] }, ''];

/** Lets a node be dialled that never answers. */
async function silent(name: string): Promise<void> {
  const server = createServer((socket) => onTestFinished(() => void socket.destroy()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  addresses[name] = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

test.each([
  ['a node without names', PLAIN_FLAGS, AS_BINARIES],
  ['a node with names', FULL_FLAGS, MESSAGE],
])('that wait while %s is dialled', async (_, flags, expected) => {
  const site = await startSite('waits@x', { setupTimeoutMs: 60_000 });
  await silent('c@x');
  const { pid: from } = collector(site.node);
  const to = { name: 'echo', node: 'c@x' };
  site.node.send(to, MESSAGE);
  const peer = await rawPeer(site, { name: 'c@x', flags });
  const pids = [peer.pid(5), peer.pid(6)];
  site.carrier.send('c@x', { op: 'sendMany', from, to: pids, message: MESSAGE });
  expect(await peer.next(({ payload }) => Array.isArray(payload))).toMatchObject({ payload: expected });
  for (const pid of pids) {
    const got = await peer.next(({ payload }) => Array.isArray(payload));
    expect(got.payload).toEqual(expected);
    expect(got.control.some((item) => pid.equals(item))).toBe(true);
  }
});
