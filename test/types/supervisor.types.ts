// What the types of supervisors promise. Compiled, never run: what must not compile stands under an expected error.
import {
  child,
  childProcess,
  type ChildSpec,
  childTemplate,
  defineDynamicSupervisor,
  defineServer,
  defineSupervisor,
  type DynamicSupervisorInstance,
  dynamicSupervisorRef,
  ignore,
  type NamedDynamicSupervisor,
  type Node,
  type Pid,
  type Process,
  type ServerInstance,
  type SupervisorInstance,
  supervisorRef,
} from 'troupe';

type IsAny<T> = 0 extends 1 & T ? true : false;
type Same<A, B> =
  IsAny<A> extends IsAny<B> ? ([A] extends [B] ? ([B] extends [A] ? true : false) : false) : false;
/** Compiles when the value has the type exactly: `expectType<T>()(value)` returns true only then. */
declare function expectType<Expected>(): <Actual>(value: Actual) => Same<Expected, Actual>;
declare function yes(...values: true[]): void;

class Repository {
  readonly url: string;
  constructor(url: string) {
    this.url = url;
  }
}

const indexer = defineServer({
  name: 'indexer',
  init: (_self, repository: Repository, limit?: number) => ({ repository, limit }),
  call: { search: (_state, query: string) => [query] },
});
const clock = defineServer({ init: () => 1 });

declare const node: Node;
declare const self: Process;
declare const repository: Repository;

export async function children(): Promise<void> {
  const spec = child(indexer, [repository], { id: 'i', name: 'indexer', shutdown: 100, timeoutMs: 5 });
  yes(expectType<ChildSpec<ServerInstance<typeof indexer>>>()(spec));
  child(indexer, [repository, 5], { restart: 'transient', type: 'worker', modules: ['a'] });
  child(clock);
  child(clock, [], { shutdown: 'brutal_kill' });
  // @ts-expect-error no arguments
  child(indexer);
  // @ts-expect-error too few arguments
  child(indexer, []);
  // @ts-expect-error another type of argument
  child(indexer, ['x']);
  // @ts-expect-error no such option
  child(clock, [], { named: 'clock' });
  // @ts-expect-error no such restart type
  child(clock, [], { restart: 'always' });
  // @ts-expect-error no such shutdown
  child(clock, [], { shutdown: 'never' });

  yes(expectType<ChildSpec<Pid>>()(childProcess((me: Process) => me.receive())));
  childProcess((_me: Process, count: number) => count, [1], { id: 'p', trapExit: true });
  childProcess({ name: 'idle', init: () => undefined, handle: () => undefined });
  // @ts-expect-error the body wants a number
  childProcess((_me: Process, count: number) => count, ['1']);
  // @ts-expect-error the body wants an argument
  childProcess((_me: Process, count: number) => count);
}

export async function supervisors(): Promise<void> {
  const tree = defineSupervisor({
    strategy: 'rest_for_one',
    children: (from: Repository) => [
      child(indexer, [from]),
      child(clock, [], { id: 'clock' }),
      { id: 'own', start: (me) => me.spawnLink(() => undefined) },
    ],
  });
  const supervisor = await node.start(tree, [repository], { name: 'tree', timeoutMs: 5 });
  yes(expectType<SupervisorInstance>()(supervisor), expectType<Pid>()(supervisor.pid));
  await self.startLink(tree, [repository]);
  child(tree, [repository], { name: 'inner' });
  yes(expectType<SupervisorInstance>()(await node.start(defineSupervisor({ children: [child(clock)] }))));
  // @ts-expect-error no arguments
  await node.start(tree);
  // @ts-expect-error another type of argument
  await node.start(tree, ['x']);
  // @ts-expect-error a dynamic supervisor is defined otherwise
  defineSupervisor({ strategy: 'simple_one_for_one', children: [] });
  // @ts-expect-error a child needs an id
  defineSupervisor({ children: [{ start: () => undefined }] });
  // @ts-expect-error a start answers a process, or undefined
  defineSupervisor({ children: [{ id: 'a', start: () => 5 }] });
  // @ts-expect-error no such flag
  defineSupervisor({ period: 5, children: [] });

  const optional = defineSupervisor({ children: (wanted: boolean) => (wanted ? [child(clock)] : ignore()) });
  yes(expectType<SupervisorInstance | undefined>()(await node.start(optional, [true])));
}

export async function requests(supervisor: SupervisorInstance): Promise<void> {
  const started = await supervisor.startChild(child(indexer, [repository]));
  if (started.ok) {
    yes(expectType<Pid | undefined>()(started.pid));
    yes(expectType<ServerInstance<typeof indexer>>()(started.handle));
    yes(expectType<string[]>()(await started.handle.call('search', 'x')));
  } else {
    yes(expectType<'start_failed' | 'already_started' | 'already_present'>()(started.error));
    if (started.error === 'already_started') yes(expectType<Pid>()(started.pid));
    if (started.error === 'start_failed') yes(expectType<unknown>()(started.reason));
    // @ts-expect-error no process
    void started.handle;
  }
  const deleted = await supervisor.deleteChild('a');
  if (!deleted.ok) {
    yes(expectType<'not_found' | 'running' | 'restarting' | 'simple_one_for_one'>()(deleted.error));
  }
  const [info] = await supervisor.whichChildren({ timeoutMs: 5, from: self });
  yes(expectType<'running' | 'restarting' | 'stopped' | undefined>()(info?.status));
  await supervisorRef(node, 'name').countChildren();
  await supervisorRef(node, { name: 'name', node: 'a@b' }).stop('shutdown', 5);
  yes(expectType<SupervisorInstance>()(supervisorRef(node, supervisor)));
  // @ts-expect-error the children of a supervisor have names
  await supervisor.restartChild(supervisor.pid);
}

export async function dynamic(): Promise<void> {
  const many = defineDynamicSupervisor({
    child: childTemplate(indexer, { restart: 'temporary', label: 'one' }),
  });
  const supervisor = await node.start(many);
  yes(
    expectType<
      DynamicSupervisorInstance<
        [repository: Repository, limit?: number | undefined],
        ServerInstance<typeof indexer>
      >
    >()(supervisor),
  );
  const started = await supervisor.startChild([repository, 5]);
  if (started.ok) yes(expectType<ServerInstance<typeof indexer>>()(started.handle));
  else yes(expectType<'start_failed' | 'already_started'>()(started.error));
  await supervisor.terminateChild(supervisor.pid);
  // @ts-expect-error too few arguments
  await supervisor.startChild([]);
  // @ts-expect-error another type of argument
  await supervisor.startChild(['x']);
  // @ts-expect-error dynamic children have no ids
  await supervisor.terminateChild('a');
  // @ts-expect-error nor can they be restarted by request
  await supervisor.restartChild('a');

  const bound = defineDynamicSupervisor({
    child: (from: Repository) => ({
      start: (me: Process, limit: number) => me.startLink(indexer, [from, limit]),
    }),
  });
  const ref = await node.start(bound, [repository]);
  await ref.startChild([5]);
  // @ts-expect-error another type of argument
  await ref.startChild([repository]);
  // @ts-expect-error the supervisor wants an argument
  await node.start(bound);
  const named = dynamicSupervisorRef(node, bound, 'rooms');
  yes(expectType<NamedDynamicSupervisor<[limit: number], ServerInstance<typeof indexer>>>()(named));
  child(bound, [repository], { name: 'rooms' });
  // @ts-expect-error no such option
  childTemplate(indexer, { named: 'x' });
}
