// A second node of a name: those that know the first hear nothing of it. And what is said to who cannot start or connect.
import { createNode } from 'troupe';
import { createErlangCarrier } from 'troupe/erlang';
import { expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../../support/erl.ts';
import { recordTelemetry } from '../../process/helpers.ts';

test('a node whose name is taken does not dial its seeds', async () => {
  const epmdPort = await freePort();
  const start = (name: string, seeds: string[] = []) => {
    const carrier = createErlangCarrier({ cookie: 'same', epmdPort, seeds });
    const node = createNode({ name, carrier });
    onTestFinished(() => node.stop());
    return { node, carrier };
  };
  const hub = start('hub@127.0.0.1');
  await hub.carrier.ready();
  const first = start('twin@127.0.0.1', [hub.node.name]);
  await first.carrier.ready();
  expect(await first.node.connect(hub.node.name)).toBe(true);
  const ups = recordTelemetry('troupe:node:up');
  const downs = recordTelemetry('troupe:node:down');
  const second = start('twin@127.0.0.1', [hub.node.name]);
  await expect(second.carrier.ready()).rejects.toMatchObject({
    code: 'TROUPE_LISTEN_FAILED',
    reason: 'epmd_taken',
  });
  expect([ups, downs]).toEqual([[], []]);
  expect(hub.node.nodes()).toEqual(['twin@127.0.0.1']);
});

test('what keeps a node from listening is said', async () => {
  const epmdPort = await freePort();
  const carrier = createErlangCarrier({ cookie: 'same', epmdPort });
  const node = createNode({ name: 'first@127.0.0.1', carrier });
  onTestFinished(() => node.stop());
  await carrier.ready();
  const other = createErlangCarrier({ cookie: 'same', epmdPort, port: carrier.port });
  const second = createNode({ name: 'second@127.0.0.1', carrier: other });
  onTestFinished(() => second.stop());
  await expect(other.ready()).rejects.toThrow(/could not be listened on: .*EADDRINUSE/);
});

test('what keeps a node from being looked up is said', async () => {
  const epmdPort = await freePort();
  const carrier = createErlangCarrier({ cookie: 'same', epmdPort, listen: false });
  const node = createNode({ name: 'asks@127.0.0.1', carrier });
  onTestFinished(() => node.stop());
  const refused = recordTelemetry('troupe:distribution:refused');
  expect(await node.connect('absent@127.0.0.1')).toBe(false);
  expect(refused[0]?.reason).toBe(
    `unreachable: could not be looked up: The epmd at 127.0.0.1:${epmdPort} does not run`,
  );
});

test('what is wrong with the certificates is said', () => {
  const carrier = createErlangCarrier({ cookie: 'same', tls: { key: 'x', cert: 'y', ca: 'z' } });
  expect(() => createNode({ name: 'bad@127.0.0.1', carrier })).toThrow(/cannot be used: .*PEM/);
});
