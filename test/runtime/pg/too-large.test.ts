// What is too large for the carrier must end neither a scope nor a member's exit.
import { type Node, pg } from 'troupe';
import { expect, test } from 'vitest';
import { recordTelemetry } from '../process/helpers.ts';
import { SOON, startSite } from '../distribution/erlang/raw-peer.ts';
import { forever } from '../distribution/cluster.ts';

const MAX_BYTES = 100_000;
/** How many of these are more than that. */
const MANY = 10_000;
const PART = 500;
/** The longest name of a group. */
const MAX_NAME = 65_536;

async function pair(maxBytes = MAX_BYTES): Promise<readonly [Node, Node]> {
  const sites = [
    await startSite('large@x', { sendQueue: { maxBytes } }),
    await startSite('other@x'),
  ] as const;
  for (const { node } of sites) pg.start(node, 's');
  return [sites[0].node, sites[1].node];
}

test('a snapshot that is too large for the carrier leaves the scope and its members as they are', async () => {
  const undeliverable = recordTelemetry('troupe:message:undeliverable');
  const [a, b] = await pair(MAX_NAME - 1_000);
  const member = forever(a);
  pg.join(a, 's', 1, member);
  // Groups go out one by one, and so it is one that is too large.
  pg.join(a, 's', 'x'.repeat(MAX_NAME), member);
  const scope = a.whereis('s');
  await a.connect(b.name);
  await expect.poll(() => undeliverable.length, SOON).toBeGreaterThan(0);
  expect(undeliverable[0]).toMatchObject({ from: scope, error: { code: 'TROUPE_NOT_ENCODABLE' } });
  expect(a.whereis('s')).toBe(scope);
  expect(pg.getMembers(a, 's', 1)).toEqual([member]);
  pg.leave(a, 's', 1, member);
  expect(pg.getLocalMembers(b, 's', 1)).toEqual([]);
});

test('a member of more groups than one message can name ends like any other', async () => {
  const [a, b] = await pair();
  await a.connect(b.name);
  const [one, other] = [forever(a), forever(a)];
  // No more than the carrier takes at a time.
  for (let end = PART; end <= MANY; end += PART) {
    for (let group = end - PART; group < end; group++) pg.join(a, 's', group, one);
    await expect.poll(() => pg.whichGroups(b, 's'), SOON).toHaveLength(end);
  }
  pg.join(a, 's', 'stays', other);
  await expect.poll(() => pg.whichGroups(b, 's').length, SOON).toBe(MANY + 1);
  const scope = a.whereis('s');
  a.exit(one, 'kill');
  await expect.poll(() => pg.whichGroups(b, 's'), SOON).toEqual(['stays']);
  expect(pg.whichGroups(a, 's')).toEqual(['stays']);
  expect(a.whereis('s')).toBe(scope);
});
