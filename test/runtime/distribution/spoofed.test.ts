/** A peer speaks for its own processes only; the BEAM drops a connection on which another's pid is the sender. */
import { describe, expect, test } from 'vitest';
import {
  type Carrier,
  type CarrierHost,
  createNode,
  onTelemetry,
  Pid,
  type Signal,
} from '../../../src/runtime/index.ts';
import { Origin } from '../../../src/runtime/process/pid.ts';

/** A carrier that only hands over what a test gives it. */
function captive(): Carrier & { host: CarrierHost; sent: string[] } {
  const carrier = {
    host: undefined as unknown as CarrierHost,
    sent: [] as string[],
    attach(host: CarrierHost) {
      carrier.host = host;
    },
    send: (peer: string) => void carrier.sent.push(peer),
    connect: () => Promise.resolve(false),
    disconnect: () => false,
    close: () => Promise.resolve(),
  };
  return carrier;
}

describe('a signal whose sender is of another node is left out and reported', () => {
  test.each<(to: Pid, from: Pid) => Signal>([
    (to, from) => ({ op: 'link', from, to }),
    (to, from) => ({ op: 'exit', from, to, reason: 'kill' }),
    (to, from) => ({ op: 'send', from, to, message: 'hello' }),
  ])('%#', async (signal) => {
    const carrier = captive();
    const node = createNode({ name: 'a@h', carrier });
    const pid = node.spawn((self) => self.receive());
    const reported: string[] = [];
    const unsubscribe = onTelemetry('troupe:node:bad_signal', ({ peer }) => reported.push(peer));
    carrier.host.nodeUp('evil@h', 5);
    for (const from of [new Pid(new Origin('victim@h', 7), 3, 0), node.initPid]) {
      carrier.host.receive('evil@h', signal(pid, from));
    }
    unsubscribe();
    expect(reported).toEqual(['evil@h', 'evil@h']);
    expect(node.processInfo(pid)).toMatchObject({ links: [], messageQueueLength: 0 });
    await node.stop();
    expect(carrier.sent).toEqual([]);
  });
});
