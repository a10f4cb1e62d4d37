// The process `troupe_inspect`, by which other nodes look into this one. A node has it if its program starts it.
//
// A question is the call `ask` with `[Question, Arguments]`, both texts, the second a JSON array; the answer is JSON:
// `{"ok": Answer}` or `{"error": {"code": Code, "what": Sentence}}`. So a BEAM node can ask too:
// `gen_server:call({troupe_inspect, Node}, {ask, [<<"load">>, <<"[]">>]})`. A trace needs a third element, a process of the node that
// asks: it gets `[<<"troupe_trace">>, Json]` for each message and for the end, and the trace ends when it does.
//
// Unless the server is started with `allow`, it only looks.
import { defineServer, Down, type From, noReply, Pid, type Process, TroupeError } from '../index.ts';
import { badArgument, checkOptionNames } from '../errors.ts';
import { LocalInspector } from './local.ts';
import type { Tracer } from './trace.ts';
import type { TraceTarget } from './inspector.ts';

/** The registered name of the server. */
export const INSPECT_SERVER = 'troupe_inspect';
/** Marks what a trace sends. */
export const TRACE_TAG = 'troupe_trace';
/** How many traces other nodes may run here at once. */
const TRACES_MAX = 16;

/** Options of {@link inspectServer}. */
export interface InspectServerOptions {
  /** Lets other nodes send, kill, suspend and resume here. Default false: they only look. */
  readonly allow?: boolean;
}

/** A question with its arguments, as it arrives. */
type Asked = readonly [question: string, json: string, receiver?: Pid];

interface State {
  readonly self: Process;
  readonly inspector: LocalInspector;
  /** By the key of the ref of the monitor on who gets its messages. */
  readonly traces: Map<string, Tracer>;
}

/** What can be asked, and the functions of the inspector that answer it. */
const QUESTIONS: ReadonlySet<string> = new Set([
  'nodes',
  'peers',
  'processes',
  'processPage',
  'process',
  'tree',
  'treePage',
  'scopes',
  'groups',
  'groupPage',
  'members',
  'channels',
  'channelPage',
  'load',
  'loadHistory',
  'exit',
  'send',
  'suspend',
  'resume',
]);

/** Lets other nodes look into this one: `child(inspectServer)` in a supervision tree, or `node.start(inspectServer)`. */
export const inspectServer = defineServer({
  name: INSPECT_SERVER,
  init(self: Process, options: InspectServerOptions = {}): State {
    checkOptionNames('inspectServer', options, { allow: true });
    const { allow = false } = options;
    const inspector = new LocalInspector(self.node, { readOnly: !allow });
    const traces = new Map<string, Tracer>();
    // However the process ends; `terminate` is not called when it is killed.
    self.signal.addEventListener('abort', () => {
      for (const tracer of traces.values()) tracer.end('stopped');
    });
    return { self, inspector, traces };
  },
  call: {
    ask(state: State, asked: Asked, _self: Process, from: From<string>) {
      void answer(state, asked, from.pid).then((json) => {
        from.reply(json);
      });
      return noReply();
    },
  },
  info(state, message: unknown) {
    if (!(message instanceof Down)) return;
    state.traces.get(message.ref.key)?.end('stopped');
  },
});

async function answer(state: State, asked: Asked, from: Pid): Promise<string> {
  try {
    return JSON.stringify({ ok: await resultOf(state, asked, from) });
  } catch (error) {
    // Only the caller waits for it, so an unexpected error goes there too.
    const { code, what } =
      error instanceof TroupeError ? error : { code: 'TROUPE_SYSTEM_FAILED', what: String(error) };
    return JSON.stringify({ error: { code, what } });
  }
}

async function resultOf(state: State, asked: Asked, from: Pid): Promise<unknown> {
  const [question, json, receiver] = Array.isArray(asked) ? (asked as unknown[]) : [];
  const args = argumentsOf(json);
  if (question === 'trace') {
    startTrace(state, args, receiver, from);
    return null;
  }
  if (typeof question !== 'string' || !QUESTIONS.has(question)) {
    throw badArgument(`The inspector has no answer to '${String(question)}'.`);
  }
  const functions = state.inspector as unknown as Record<string, (...given: unknown[]) => Promise<unknown>>;
  return (await functions[question]?.(...args)) ?? null;
}

function argumentsOf(json: unknown): unknown[] {
  let args: unknown;
  try {
    args = JSON.parse(String(json));
  } catch (error) {
    throw badArgument(`The arguments are not JSON: ${(error as Error).message}.`);
  }
  if (!Array.isArray(args)) throw badArgument('The arguments are not a JSON array.');
  return args.map((each: unknown) => each ?? undefined);
}

function startTrace(
  { self, inspector, traces }: State,
  [target, options]: unknown[],
  receiver: unknown,
  from: Pid,
): void {
  if (!(receiver instanceof Pid) || receiver.node !== from.node) {
    throw badArgument('A trace needs a process of the node that asks for it.');
  }
  if (traces.size >= TRACES_MAX) {
    throw new TroupeError(
      'TROUPE_SYSTEM_LIMIT',
      `${TRACES_MAX} traces of other nodes run on ${self.node.name}.`,
    );
  }
  if (target === INSPECT_SERVER || target === self.pid.toString()) {
    throw badArgument('What sends the messages of traces cannot be traced itself.');
  }
  const ref = self.monitor(receiver);
  const tell = (what: object): void => {
    if (self.alive) self.send(receiver, [TRACE_TAG, JSON.stringify(what)]);
  };
  try {
    const tracer = inspector.startTrace(target as TraceTarget, options ?? {}, {
      event: (event) => {
        tell({ event });
      },
      end: (end) => {
        traces.delete(ref.key);
        if (self.alive) self.demonitor(ref, { flush: true });
        tell({ end });
      },
    });
    traces.set(ref.key, tracer);
  } catch (error) {
    self.demonitor(ref, { flush: true });
    throw error;
  }
}
