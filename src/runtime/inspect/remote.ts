// The inspector of another node: asks its process `troupe_inspect`.
import {
  type Behaviour,
  call,
  Down,
  type ErrorCode,
  errorAdvice,
  type ExitReason,
  type Node,
  type Pid,
  TroupeError,
} from '../index.ts';
import type { ProcessDetail } from './details.ts';
import type {
  ChannelRow,
  GroupsOptions,
  GroupSummary,
  Inspector,
  LoadFigures,
  MemberRow,
  NodeRow,
  Page,
  PageOptions,
  PeerRow,
  ProcessesOptions,
  ProcessSummary,
  ScopeSummary,
  TraceTarget,
  TreeLine,
  TreeOptions,
  TreePageOptions,
  TreeRow,
} from './inspector.ts';
import type { LoadPoint } from './measure.ts';
import { INSPECT_SERVER, TRACE_TAG } from './server.ts';
import type { TraceEnd, TraceEvent, TraceOptions } from './trace.ts';
import { Trace } from './trace-stream.ts';

/** How long another node may take to answer, in milliseconds. */
const ASK_TIMEOUT_MS = 10_000;

/** Looks into another node. */
export class RemoteInspector implements Inspector {
  readonly node: string;
  readonly #here: Node;

  /** Use `inspectNode`. */
  constructor(here: Node, node: string) {
    this.#here = here;
    this.node = node;
  }

  async nodes(): Promise<NodeRow[]> {
    return (await this.#ask('nodes')) as NodeRow[];
  }

  async peers(): Promise<PeerRow[]> {
    return (await this.#ask('peers')) as PeerRow[];
  }

  async processes(options?: ProcessesOptions): Promise<ProcessSummary[]> {
    return (await this.#ask('processes', options)) as ProcessSummary[];
  }

  async processPage(options?: ProcessesOptions): Promise<Page<ProcessSummary>> {
    return (await this.#ask('processPage', options)) as Page<ProcessSummary>;
  }

  async process(target: string): Promise<ProcessDetail> {
    return (await this.#ask('process', target)) as ProcessDetail;
  }

  async tree(options?: TreeOptions): Promise<TreeRow> {
    return (await this.#ask('tree', options)) as TreeRow;
  }

  async treePage(options?: TreePageOptions): Promise<Page<TreeLine>> {
    return (await this.#ask('treePage', options)) as Page<TreeLine>;
  }

  async scopes(): Promise<ScopeSummary[]> {
    return (await this.#ask('scopes')) as ScopeSummary[];
  }

  async groups(scope?: string): Promise<GroupSummary[]> {
    return (await this.#ask('groups', scope)) as GroupSummary[];
  }

  async groupPage(options?: GroupsOptions): Promise<Page<GroupSummary>> {
    return (await this.#ask('groupPage', options)) as Page<GroupSummary>;
  }

  async members(group: string, scope?: string): Promise<MemberRow[]> {
    return (await this.#ask('members', group, scope)) as MemberRow[];
  }

  async channels(): Promise<ChannelRow[]> {
    return (await this.#ask('channels')) as ChannelRow[];
  }

  async channelPage(options?: PageOptions): Promise<Page<ChannelRow>> {
    return (await this.#ask('channelPage', options)) as Page<ChannelRow>;
  }

  async load(): Promise<LoadFigures> {
    return (await this.#ask('load')) as LoadFigures;
  }

  async loadHistory(since?: number): Promise<LoadPoint[]> {
    return (await this.#ask('loadHistory', since)) as LoadPoint[];
  }

  async exit(target: string, reason: ExitReason): Promise<void> {
    await this.#ask('exit', target, reason);
  }

  async send(target: string, message: unknown): Promise<void> {
    await this.#ask('send', target, message);
  }

  async suspend(target: string): Promise<void> {
    await this.#ask('suspend', target);
  }

  async resume(target: string): Promise<void> {
    await this.#ask('resume', target);
  }

  async trace(target: TraceTarget, options?: TraceOptions): Promise<Trace> {
    const trace = new Trace();
    const receiver = this.#here.spawnWith(
      { label: `trace on ${this.node}` },
      receiverBehaviour,
      trace,
      this.node,
    );
    trace.onStop(() => {
      this.#here.exit(receiver, 'shutdown');
    });
    try {
      await this.#ask('trace', target, options, receiver);
    } catch (error) {
      this.#here.exit(receiver, 'shutdown');
      throw error;
    }
    return trace;
  }

  async #ask(question: string, ...given: unknown[]): Promise<unknown> {
    const receiver = question === 'trace' ? (given.pop() as Pid) : undefined;
    const asked = [question, JSON.stringify(given), ...(receiver === undefined ? [] : [receiver])];
    const to = { name: INSPECT_SERVER, node: this.node };
    const answer = await call(this.#here, to, 'ask', asked, { timeoutMs: ASK_TIMEOUT_MS }).catch(notOpen);
    const { ok, error } = JSON.parse(String(answer)) as {
      readonly ok?: unknown;
      readonly error?: { readonly code: string; readonly what: string };
    };
    if (error === undefined) return ok;
    const code = Object.hasOwn(errorAdvice, error.code) ? (error.code as ErrorCode) : 'TROUPE_SYSTEM_FAILED';
    throw new TroupeError(code, error.what, { reason: error.code });
  }
}

/** Tells what the name of a process that people have not started would not. */
function notOpen(error: unknown): never {
  if (!(error instanceof TroupeError) || error.code !== 'TROUPE_CALL_NOPROC') throw error;
  const what = `${error.what} Other nodes may look into a node whose program runs inspectServer, from troupe/inspect.`;
  throw new TroupeError(error.code, what, { cause: error });
}

interface Receiver {
  readonly trace: Trace;
  reported: number;
}

/** Gets the messages of a trace on another node. The trace there ends with this process, and this process with the trace. */
const receiverBehaviour: Behaviour<Receiver, [Trace, string]> = {
  name: 'trace receiver',
  init: (self, trace, node) => {
    const state: Receiver = { trace, reported: 0 };
    self.monitor({ name: INSPECT_SERVER, node });
    self.signal.addEventListener('abort', () => {
      // No effect when the trace has ended before.
      trace.end({ reason: 'stopped', reported: state.reported, leftOut: 0 });
    });
    return state;
  },
  handle: (self, message, state) => {
    if (message instanceof Down) self.exit('shutdown');
    if (!Array.isArray(message) || message[0] !== TRACE_TAG) return;
    const { event, end } = JSON.parse(String(message[1])) as {
      readonly event?: TraceEvent;
      readonly end?: TraceEnd;
    };
    if (event !== undefined) {
      state.reported++;
      state.trace.event(event);
    }
    if (end === undefined) return;
    state.trace.end(end);
    self.exit('shutdown');
  },
};
