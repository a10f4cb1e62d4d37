// What the types of servers promise. Compiled, never run: what must not compile stands under an expected error.
import {
  defineServer,
  fail,
  type From,
  ignore,
  type InfoHandler,
  type Node,
  noReply,
  type Process,
  reply,
  type ServerInstance,
  type ServerRef,
  serverRef,
  started,
  stop,
  type Tuple,
  tuple,
  UNHANDLED,
} from 'troupe';

type IsAny<T> = 0 extends 1 & T ? true : false;
type Same<A, B> =
  IsAny<A> extends IsAny<B> ? ([A] extends [B] ? ([B] extends [A] ? true : false) : false) : false;
/** Compiles when the value has the type exactly: `expectType<T>()(value)` returns true only then. */
declare function expectType<Expected>(): <Actual>(value: Actual) => Same<Expected, Actual>;
declare function yes(...values: true[]): void;

interface Note {
  readonly id: number;
  readonly title: string;
}

class Index {
  readonly notes: Note[] = [];
}

class Repository {
  readonly url: string;
  constructor(url: string) {
    this.url = url;
  }
}

const indexer = defineServer({
  name: 'indexer',
  init(self, repository: Repository, limit?: number) {
    yes(expectType<Process>()(self), expectType<Repository>()(repository));
    return limit === 0 ? started(new Index(), { continue: 'load' }) : new Index();
  },
  call: {
    search(index, query: string) {
      yes(expectType<Index>()(index));
      return index.notes.filter(({ title }) => title.includes(query));
    },
    size: (index) => index.notes.length,
    add(index, note: Note) {
      index.notes.push(note);
    },
    mode: (_index, mode: 'fast' | 'slow') => mode,
    page: (index, limit?: number) => index.notes.slice(0, limit),
    async later(index, _argument: undefined, self) {
      return { size: index.notes.length, self: self.pid };
    },
    explicit: (index) => reply(index.notes.length, { timeoutMs: 5 }),
    asyncExplicit: async () => reply('text'),
    deferred(_index, _query: string, _self, from: From<boolean>) {
      from.reply(true);
      return noReply();
    },
    untypedDeferred: () => noReply(),
    last: (index) => (index.notes.length === 0 ? stop('normal', { reply: 'none' }) : 1),
    quit: () => stop('normal'),
    replaced: () => reply(1, { state: new Index() }),
  },
  cast: {
    put(index, note: Note, self) {
      yes(expectType<Index>()(index), expectType<Note>()(note), expectType<Process>()(self));
    },
    clear: () => noReply({ state: new Index() }),
  },
  info(index, message, self) {
    yes(expectType<Index>()(index), expectType<unknown>()(message), expectType<Process>()(self));
  },
  continue(index, argument: string) {
    yes(expectType<Index>()(index), expectType<string>()(argument));
  },
  terminate(index, reason) {
    yes(expectType<Index>()(index), expectType<unknown>()(reason));
  },
});

declare const node: Node;
declare const self: Process;

export async function starting(): Promise<void> {
  const ref = await node.start(indexer, [new Repository('x')], { name: 'indexer', timeoutMs: 5 });
  yes(expectType<ServerInstance<typeof indexer>>()(ref));
  await self.startLink(indexer, [new Repository('x'), 5]);
  await node.start(defineServer({ init: () => 1 }));
  await node.start(defineServer({ init: () => 1 }), [], { label: 'one' });
  await node.start(defineServer({ init: (_self, first = 0) => first }));
  await self.startLink(defineServer({ init: (_self, first?: number) => first }));
  // @ts-expect-error no arguments
  await node.start(indexer);
  // @ts-expect-error too few arguments
  await node.start(indexer, []);
  // @ts-expect-error another type of argument
  await node.start(indexer, ['x']);
  // @ts-expect-error no such option
  await node.start(indexer, [new Repository('x')], { named: 'indexer' });
  // @ts-expect-error another type of option
  await node.start(indexer, [new Repository('x')], { timeoutMs: '5' });
}

export async function ignoring(): Promise<void> {
  const optional = defineServer({
    init: async (_self, wanted: boolean) => {
      if (!wanted) return ignore();
      return wanted ? started({ count: 0 }) : fail('never');
    },
    call: { next: (state) => ++state.count },
  });
  const ref = await node.start(optional, [true]);
  yes(expectType<ServerInstance<typeof optional> | undefined>()(ref));
  // @ts-expect-error it may have been ignored
  await ref.call('next');
  const next = await ref?.call('next');
  yes(expectType<number | undefined>()(next));
}

export async function calling(ref: ServerRef<typeof indexer>): Promise<void> {
  const signal = new AbortController().signal;
  yes(
    expectType<Note[]>()(await ref.call('search', 'x')),
    expectType<Note[]>()(await ref.call('search', 'x', { timeoutMs: 5, signal, from: self })),
    expectType<number>()(await ref.call('size')),
    expectType<number>()(await ref.call('size', undefined, { timeoutMs: 5 })),
    expectType<void>()(await ref.call('add', { id: 1, title: 'x' })),
    expectType<'fast' | 'slow'>()(await ref.call('mode', 'fast')),
    expectType<Note[]>()(await ref.call('page')),
    expectType<Note[]>()(await ref.call('page', 5)),
    expectType<number>()((await ref.call('later')).size),
    expectType<number>()(await ref.call('explicit')),
    expectType<string>()(await ref.call('asyncExplicit')),
    expectType<boolean>()(await ref.call('deferred', 'x')),
    expectType<unknown>()(await ref.call('untypedDeferred')),
    expectType<string | number>()(await ref.call('last')),
    expectType<never>()(await ref.call('quit')),
    expectType<number>()(await ref.call('replaced')),
  );
}

export async function callingWrongly(ref: ServerRef<typeof indexer>): Promise<void> {
  // @ts-expect-error no such call
  await ref.call('serch', 'x');
  await ref.call(
    // @ts-expect-error the error is about the name, and not about what is missing after it
    'serch',
  );
  // @ts-expect-error a cast is no call
  await ref.call('clear');
  // @ts-expect-error without its argument
  await ref.call('search');
  // @ts-expect-error another type of argument
  await ref.call('search', 5);
  // @ts-expect-error a field is missing
  await ref.call('add', { id: 1 });
  // @ts-expect-error none of the modes
  await ref.call('mode', 'medium');
  // @ts-expect-error it takes no argument
  await ref.call('size', 5);
  // @ts-expect-error options are no argument
  await ref.call('size', { timeoutMs: 5 });
  // @ts-expect-error no such option
  await ref.call('size', undefined, { timeout: 5 });
  // @ts-expect-error the reply is no text
  (await ref.call('size')).toUpperCase();
}

const asked = defineServer({
  init: () => [] as Tuple[],
  call: { $request: (_state, request: Tuple) => request.length },
  cast: { $request: (state, request: Tuple) => state.push(request) },
});

export async function requesting(ref: ServerRef<typeof asked>): Promise<void> {
  yes(expectType<number>()(await ref.call('$request', tuple(1))));
  ref.cast('$request', tuple(1));
  // @ts-expect-error the handler takes another type of request
  await ref.call('$request', 1);
}

export function casting(ref: ServerRef<typeof indexer>): void {
  ref.cast('put', { id: 1, title: 'x' });
  ref.cast('put', { id: 1, title: 'x' }, { from: self });
  ref.cast('clear');
  // @ts-expect-error no such cast
  ref.cast('remove', 1);
  // @ts-expect-error a call is no cast
  ref.cast('size');
  // @ts-expect-error without its argument
  ref.cast('put');
  // @ts-expect-error another type of argument
  ref.cast('put', 'x');
}

export function addressing(): void {
  const named = serverRef(node, indexer, 'indexer');
  const byPid = serverRef(node, indexer, self.pid);
  const anyOfThem: ServerRef<typeof indexer>[] = [named, byPid];
  yes(expectType<string>()(named.name), expectType<ServerInstance<typeof indexer, true>>()(byPid));
  self.monitor(named);
  self.link(byPid.pid);
  void anyOfThem;
  // @ts-expect-error a name has no pid of its own
  void named.pid;
  // @ts-expect-error no definition
  serverRef(node, { init: () => 0 }, 'indexer');
}

export function defining(): void {
  defineServer({
    init: () => ({ count: 0 }),
    call: {
      // @ts-expect-error the state has no such field
      bad: (state) => state.counts,
    },
    // @ts-expect-error the state has no such field
    terminate: (state) => state.counts,
  });
  defineServer({
    init: () => 0,
    call: {
      first: (state) => state,
      second() {
        // @ts-expect-error callbacks have no this
        this.first(1);
      },
    },
  });
  defineServer({
    init: () => 0,
    call: {
      // @ts-expect-error the deferred reply has another type
      late: (_state, _argument: undefined, _self, from: From<boolean>) => from.reply('text'),
    },
  });
  // @ts-expect-error init is missing
  defineServer({ call: {} });
  // @ts-expect-error no such callback
  defineServer({ init: () => 0, handle: () => 0 });
}

/** A handler made elsewhere, of any state, as channels make them. */
function onText<State>(handle: (state: State, text: string, self: Process) => unknown): InfoHandler<State> {
  return (state, message, me) => (typeof message === 'string' ? handle(state, message, me) : UNHANDLED);
}

export const withHandlers = defineServer({
  init: () => ({ texts: [] as string[] }),
  info: [
    onText((state, text) => state.texts.push(text)),
    (state, message) => {
      yes(expectType<{ texts: string[] }>()(state), expectType<unknown>()(message));
    },
  ],
});

export const withOneHandler = defineServer({
  init: async () => new Index(),
  info: onText((index, text) => index.notes.push({ id: 1, title: text })),
});

const counts = defineServer({
  init: () => new Map<string, number>(),
  call: { all: (state) => state, byNumber: () => new Map<number, string>(), list: () => [1] },
});

export async function arrives(): Promise<void> {
  const here = await node.start(counts);
  yes(expectType<Map<string, number>>()(await here.call('all')));
  for (const away of [
    serverRef(node, counts, { name: 'a', node: 'b@c' }),
    serverRef(node, counts, here.pid),
  ]) {
    // A Map whose keys are strings is an object on another node.
    yes(expectType<Map<string, number> | Readonly<Record<string, number>>>()(await away.call('all')));
    yes(
      expectType<Map<number, string>>()(await away.call('byNumber')),
      expectType<number[]>()(await away.call('list')),
    );
  }
}
