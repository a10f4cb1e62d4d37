// Starting and monitoring in one step, gen_server:start_monitor/4: the reason of what ends at once is not lost.
import {
  child,
  childProcess,
  childTemplate,
  defineDynamicSupervisor,
  defineServer,
  defineSupervisor,
  Down,
  type ExitReason,
  ignore,
  matching,
  type Process,
  type Ref,
  started,
} from 'troupe';
import { describe, expect, test } from 'vitest';
import { inProcess, makeNode } from '../process/helpers.ts';

const broken = new Error('broken');

/** Is started, and then ends before anybody else has a turn. */
const shortLived = defineServer({
  name: 'short_lived',
  init: (_self, reason: ExitReason) => started({ reason }, { continue: 'end' }),
  continue: ({ reason }, _argument, self) => {
    if (reason instanceof Error) throw reason;
    self.exit(reason);
  },
});
const fails = defineServer({
  name: 'fails',
  init: () => {
    throw broken;
  },
});
const ignored = defineServer({ name: 'ignored', init: () => ignore() });
const tree = defineSupervisor({ name: 'tree', intensity: 100, children: () => [] });
const many = defineDynamicSupervisor({
  name: 'many',
  child: () => childTemplate(shortLived, { restart: 'temporary' }),
});

async function downOf(self: Process, ref: Ref | undefined): Promise<ExitReason> {
  const { reason } = await self.receive(
    (message): message is Down => message instanceof Down && message.ref === ref,
  );
  return reason;
}

describe.each<[ExitReason]>([[broken], ['normal'], ['tired']])(
  'of a process that ends at once with %s',
  (reason) => {
    test('a process hears it by startMonitor', async () => {
      const node = makeNode();
      const told = inProcess(node, async (self) => {
        const { handle, ref } = await self.startMonitor(shortLived, [reason]);
        const why = await downOf(self, ref);
        expect(node.isAlive(handle.pid)).toBe(false);
        return why;
      });
      expect(await told).toBe(reason);
    });

    test('other code hears it by that of the node', async () => {
      const { handle, ended } = await makeNode().startMonitor(shortLived, [reason]);
      expect(handle.pid).toBeDefined();
      expect(await ended).toBe(reason);
    });

    test('the process that started it as a child hears it', async () => {
      const node = makeNode();
      const [supervisor, dynamic] = [await node.start(tree), await node.start(many)];
      const told = await inProcess(node, async (self) => {
        const options = { from: self, monitor: true };
        const server = child(shortLived, [reason], { restart: 'temporary' });
        const plain = childProcess(
          (own) => {
            if (reason instanceof Error) throw reason;
            own.exit(reason);
          },
          [],
          { id: 'plain', restart: 'temporary' },
        );
        const results = [
          await supervisor.startChild(server, options),
          await supervisor.startChild(plain, options),
          await dynamic.startChild([reason], options),
        ];
        const reasons: ExitReason[] = [];
        for (const result of results) reasons.push(await downOf(self, result.ok ? result.ref : undefined));
        return reasons;
      });
      expect(told).toEqual([reason, reason, reason]);
    });
  },
);

test('a monitor of what lives is one as any', async () => {
  const node = makeNode();
  const reasons = await inProcess(node, async (self) => {
    const { handle, ref } = await self.startMonitor(tree);
    expect(self.demonitor(ref)).toBe(true);
    const again = self.monitor(handle);
    await handle.stop('shutdown');
    return downOf(self, again);
  });
  expect(reasons).toBe('shutdown');
});

test('a start that fails rejects, and leaves no Down behind', async () => {
  const node = makeNode();
  await inProcess(node, async (self) => {
    await expect(self.startMonitor(fails)).rejects.toMatchObject({
      code: 'TROUPE_START_FAILED',
      reason: broken,
    });
    expect(await self.receive(matching(Down), { after: 0 })).not.toBeInstanceOf(Down);
    expect(await self.startMonitor(ignored)).toEqual({ handle: undefined, ref: undefined });
  });
  await expect(node.startMonitor(fails)).rejects.toMatchObject({ code: 'TROUPE_START_FAILED' });
  await expect(node.startMonitor(ignored as never)).rejects.toMatchObject({ reason: 'ignore' });
});

test('a child is monitored by a process', async () => {
  const supervisor = await makeNode().start(tree);
  const spec = child(shortLived, ['normal']);
  await expect(supervisor.startChild(spec, { monitor: true })).rejects.toMatchObject({
    code: 'TROUPE_BAD_ARGUMENT',
  });
});
