// A second node of a name: those that know the first hear nothing of it. And what is said to who cannot start or connect.
import { createNode } from 'troupe';
import { createErlangCarrier } from 'troupe/erlang';
import { expect, onTestFinished, test, vi } from 'vitest';
import { freePort } from '../../../support/erl.ts';
import { reportAloud } from '../../../support/quiet-reports.ts';
import { recordTelemetry } from '../../process/helpers.ts';

reportAloud();

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

test('without a subscriber a wrong cookie is reported by both nodes, once, until they connect', async () => {
  const printed: string[] = [];
  const spied = vi
    .spyOn(console, 'error')
    .mockImplementation((_format, text: string) => void printed.push(text));
  onTestFinished(() => spied.mockRestore());
  const epmdPort = await freePort();
  const start = async (name: string, cookie: string) => {
    const carrier = createErlangCarrier({ cookie, epmdPort });
    const node = createNode({ name, carrier });
    onTestFinished(() => node.stop());
    await carrier.ready();
    return node;
  };
  await start('one@127.0.0.1', 'secret');
  const about = (peer: string) =>
    printed.filter((text) =>
      text.includes(`** ${peer}@127.0.0.1: a connection with this node could not be made: cookie`),
    );
  const wrong = await start('two@127.0.0.1', 'wrong');
  for (let i = 0; i < 3; i++) expect(await wrong.connect('one@127.0.0.1')).toBe(false);
  expect([about('one').length, about('two').length, printed.length]).toEqual([1, 1, 2]);
  await wrong.stop();
  const right = await start('two@127.0.0.1', 'secret');
  expect(await right.connect('one@127.0.0.1')).toBe(true);
  await right.stop();
  const again = await start('two@127.0.0.1', 'wrong');
  expect(await again.connect('one@127.0.0.1')).toBe(false);
  expect(about('two')).toHaveLength(2);
});

test('a node that cannot be found is reported when nobody awaits ready', async () => {
  const printed: string[] = [];
  const spied = vi
    .spyOn(console, 'error')
    .mockImplementation((_format, text: string) => void printed.push(text));
  onTestFinished(() => spied.mockRestore());
  const epmdPort = await freePort();
  const carrier = createErlangCarrier({ cookie: 'same', epmdPort });
  const node = createNode({ name: 'taken@127.0.0.1', carrier });
  onTestFinished(() => node.stop());
  await carrier.ready();
  const [asked, silent] = [1, 2].map(() => createErlangCarrier({ cookie: 'same', epmdPort }));
  for (const other of [asked, silent]) {
    const second = createNode({ name: 'taken@127.0.0.1', carrier: other! });
    onTestFinished(() => second.stop());
  }
  await expect(asked!.ready()).rejects.toMatchObject({ code: 'TROUPE_LISTEN_FAILED' });
  await vi.waitFor(() => expect(printed).toHaveLength(1));
  expect(printed[0]).toContain('** taken@127.0.0.1: other nodes cannot find this node: ');
});

test('a carrier for a node without a name is refused', () => {
  const carrier = createErlangCarrier({ cookie: 'same' });
  expect(() => createNode({ carrier })).toThrow("createNode({ name: 'one@127.0.0.1', carrier })");
});
