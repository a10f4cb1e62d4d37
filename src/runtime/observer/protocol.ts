// What the observer's page and its server say to each other. Types only: both sides import this file.
//
// Over one WebSocket at `socket`, as JSON: the page says what it looks at; the server sends that, first whole, then differences, and
// nothing else. A table is sent as rows with keys. A page looks at no more than one of each kind of view at a time; a new `look` replaces
// the one before. While the page looks at something it hears at least every 5 seconds, of no changes when there are none. What the page
// may not say closes the WebSocket with 1008 and the reason; so does the end of its session. A message of the page has at most 64 KiB.
//
// Over HTTP at `session`: GET answers a `SessionState`; POST of a `SessionStart` as JSON 204, 401 for a wrong token, 429 after too many;
// DELETE 204 and ends the session with its WebSockets. All addresses are relative to that of the page.
import type {
  ChannelRow,
  GroupSummary,
  LoadFigures,
  LoadPoint,
  MemberRow,
  NodeRow,
  PeerRow,
  ProcessDetail,
  ProcessSort,
  ProcessSummary,
  ScopeSummary,
  TraceEvent,
} from '../inspect/index.ts';

/** What a page looks at. What is absent is not sent. */
export interface Views {
  /** The node that is looked into; the own one when absent. */
  readonly node?: string;
  /** A window of the sorted and filtered table of processes: `count` rows from row `first` on; `count` at most 500. */
  readonly processes?: {
    readonly sort: ProcessSort;
    readonly reverse?: boolean;
    readonly match?: string;
    readonly first: number;
    readonly count: number;
  };
  /**
   * A window of the lines of the supervision tree: those below a process are lines if its key is in `open`, at most 1,000; the root is
   * always open.
   */
  readonly tree?: { readonly open: readonly string[]; readonly first: number; readonly count: number };
  readonly groups?: {
    readonly scope?: string;
    readonly match?: string;
    readonly first: number;
    readonly count: number;
  };
  readonly members?: {
    readonly scope?: string;
    readonly group: string;
    readonly first: number;
    readonly count: number;
  };
  readonly channels?: { readonly match?: string; readonly first: number; readonly count: number };
  /** All nodes with the connections of the one that is looked into. */
  readonly nodes?: true;
  /** Load; each node keeps some minutes of it while somebody looks. They are sent first, then each new second. */
  readonly load?: true;
  /** One process, by pid or name. */
  readonly process?: string;
}

/** What the page sends. `id` comes back in the answer; that of a `look` in all that is sent for it. */
export type FromPage =
  | { readonly type: 'look'; readonly id: number; readonly views: Views }
  /** On the node that is looked into. At most four at once. */
  | { readonly type: 'trace'; readonly id: number; readonly target: string | { readonly channel: string } }
  | { readonly type: 'untrace'; readonly id: number }
  | { readonly type: 'act'; readonly id: number; readonly node?: string; readonly act: Act };

/** What changes something; refused unless the observer was registered with `allow`. */
export type Act =
  | { readonly kind: 'exit'; readonly target: string; readonly reason: 'kill' | 'shutdown' }
  | { readonly kind: 'suspend' | 'resume'; readonly target: string }
  /** `message` is JSON text of at most 16,384 characters. */
  | { readonly kind: 'send'; readonly target: string; readonly message: string };

/** A row of the tree: `depth` and order are those of the tree, as far as it is open. */
export interface TreeLine {
  readonly key: string;
  readonly depth: number;
  readonly pid: string | undefined;
  readonly title: string;
  readonly type: string;
  readonly status: string;
  readonly strategy: string | undefined;
  readonly children: number;
  readonly open: boolean;
}

/**
 * A change of a table: rows that are new or differ, by key; the keys of the whole window in order when they are not those before. A row
 * whose key is not among these is forgotten on both sides. Keys of processes and members are pids, of channels and groups their names,
 * as far as they are shown.
 */
export interface TableChange<Row> {
  readonly set: Readonly<Record<string, Row>>;
  readonly order?: readonly string[];
  /** How many rows there are in all, those outside of the window included. */
  readonly total: number;
  /** Which of them is the first of the window. It is lower than asked for when there are not so many rows. */
  readonly first: number;
}

/** One second of load. */
export type { LoadPoint };

/** The figures that change, by view. */
export interface Changes {
  readonly processes?: TableChange<ProcessSummary>;
  readonly tree?: TableChange<TreeLine>;
  readonly groups?: TableChange<GroupSummary> & { readonly scopes: readonly ScopeSummary[] };
  readonly members?: TableChange<MemberRow>;
  readonly channels?: TableChange<ChannelRow>;
  readonly nodes?: { readonly nodes: readonly NodeRow[]; readonly peers: readonly PeerRow[] };
  /** The seconds since those sent before; `now` has figures that are not kept. */
  readonly load?: { readonly points: readonly LoadPoint[]; readonly now: LoadFigures };
  readonly process?: { readonly detail: ProcessDetail };
}

/** What the server sends. */
export type ToPage =
  | { readonly type: 'hello'; readonly node: string; readonly allow: boolean }
  /** `look` is the id of the last `look` that they are an answer to. */
  | { readonly type: 'changes'; readonly look: number; readonly changes: Changes }
  /** Why a view cannot be shown: the process has ended, the node does not answer. The view begins anew when it can be shown again. */
  | { readonly type: 'problem'; readonly look: number; readonly view: keyof Changes; readonly text: string }
  | {
      readonly type: 'trace';
      readonly id: number;
      readonly events: readonly TraceEvent[];
      readonly end?: string;
    }
  | { readonly type: 'answer'; readonly id: number; readonly problem?: string };

/** What GET of `session` answers. */
export interface SessionState {
  /** Whether a token is needed to look. */
  readonly tokenNeeded: boolean;
  /** Whether this browser may look: it has a session, or needs none. */
  readonly open: boolean;
}

/** What POST to `session` takes. */
export interface SessionStart {
  readonly token: string;
}
