// Everything the page knows. It changes by `reduce` alone (reduce.ts), one event at a time; what follows outside from an event is the
// business of app.ts. Nothing here is older than the connection: after a loss it stays on the screen, said to be so, until the server is
// back, whose processes may be others.
import type {
  ChannelRow,
  GroupSummary,
  LoadFigures,
  MemberRow,
  NodeRow,
  PeerRow,
  ProcessDetail,
  ProcessSummary,
  ScopeSummary,
  TraceEvent,
} from '../../inspect/index.ts';
import type { Act, Changes, LoadPoint, TreeLine } from '../protocol.ts';
import { HOME, type Route } from './route.ts';
import { type Grid, type Table, UNSEEN } from './table.ts';

/** Where the connection stands. */
export type Connection =
  | { readonly phase: 'connecting' }
  | { readonly phase: 'online' }
  /** `reason` is what the server said when it closed the connection. */
  | { readonly phase: 'waiting'; readonly retryAt: number; readonly reason: string };

/** Who may look. `token` is what the server wants of those who are not signed in. */
export interface Access {
  readonly phase: 'unknown' | 'in' | 'out';
  readonly tokenNeeded: boolean;
  /** A token is being checked. */
  readonly checking: boolean;
  /** Why the last one was refused. */
  readonly problem: string | undefined;
}

/** What a peer sends and receives in a second, by the last two counts. */
export interface PeerRate {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** The nodes, the connections of the one that is looked into, and how busy these are. */
export interface NodesData {
  readonly at: number;
  readonly nodes: readonly NodeRow[];
  readonly peers: readonly PeerRow[];
  readonly rates: ReadonlyMap<string, PeerRate>;
}

/** What the server has sent of the views that are looked at. */
export interface Data {
  readonly processes?: Table<ProcessSummary> | undefined;
  readonly tree?: Table<TreeLine> | undefined;
  readonly groups?: Table<GroupSummary> | undefined;
  readonly scopes?: readonly ScopeSummary[] | undefined;
  readonly members?: Table<MemberRow> | undefined;
  readonly channels?: Table<ChannelRow> | undefined;
  /** The last rates of the channels in the window, one a second, the newest last. */
  readonly channelRates?: ReadonlyMap<string, readonly number[]> | undefined;
  readonly nodes?: NodesData | undefined;
  readonly load?: { readonly points: readonly LoadPoint[]; readonly now: LoadFigures } | undefined;
  readonly process?: ProcessDetail | undefined;
}

/** What has rows. */
export type GridName = 'processes' | 'tree' | 'groups' | 'members' | 'channels';

/** What is traced. */
export type TraceTarget = string | { readonly channel: string };

/** A trace that runs or has ended. */
export interface TraceState {
  readonly id: number;
  readonly target: TraceTarget;
  readonly events: readonly TraceEvent[];
  /** Messages that are not kept any more. */
  readonly dropped: number;
  /** How it ended; undefined while it runs. */
  readonly end: string | undefined;
}

/** A question to a person who is about to do something. */
export interface Question {
  readonly kind: 'kill' | 'send';
  readonly target: string;
  /** Its name, for people. */
  readonly title: string;
}

/** What is being done, or came of it. */
export interface Doing {
  readonly id: number;
  readonly act: Act;
  readonly at: number;
  readonly outcome: 'waiting' | 'done' | 'failed';
  readonly problem: string | undefined;
}

/** Everything the page knows. */
export interface State {
  /** Milliseconds since 1970, as of the last tick. */
  readonly now: number;
  readonly access: Access;
  readonly connection: Connection;
  /** The server's own node, and whether it lets anything be changed. */
  readonly hello: { readonly node: string; readonly allow: boolean } | undefined;
  /** The connection was lost after something had been shown. */
  readonly stale: boolean;
  readonly route: Route;
  readonly data: Data;
  /** Why a view cannot be shown. */
  readonly problems: Readonly<Partial<Record<keyof Changes, string>>>;
  readonly grids: Readonly<Record<GridName, Grid>>;
  /** The keys of what is open in the tree. */
  readonly open: ReadonlySet<string>;
  /** The keys of the supervisors that were seen in the tree, so that none opens by itself a second time. */
  readonly seen: ReadonlySet<string>;
  readonly trace: TraceState | undefined;
  readonly traceAs: 'chart' | 'list';
  readonly question: Question | undefined;
  readonly doing: Doing | undefined;
  /** The window is as narrow as a phone: the side covers the page. */
  readonly narrow: boolean;
  readonly hidden: boolean;
  /** What a screen reader is told next; `turn` tells equal words apart. */
  readonly announcement: { readonly text: string; readonly turn: number };
  /** The id of the element to be given the focus after the next drawing; `turn` makes it happen once. */
  readonly focus: { readonly target: string; readonly turn: number };
}

/** What happens. */
export type PageEvent =
  | { readonly type: 'ticked'; readonly now: number }
  | { readonly type: 'session_read'; readonly signedIn: boolean; readonly tokenNeeded: boolean }
  | { readonly type: 'sign_in_submitted' }
  | { readonly type: 'sign_in_failed'; readonly text: string }
  | { readonly type: 'signed_out' }
  | { readonly type: 'connection_changed'; readonly connection: Connection }
  | { readonly type: 'greeted'; readonly node: string; readonly allow: boolean }
  | { readonly type: 'changed'; readonly changes: Changes; readonly now: number }
  | { readonly type: 'problem'; readonly view: keyof Changes; readonly text: string }
  | { readonly type: 'routed'; readonly route: Route }
  | {
      readonly type: 'scrolled';
      readonly grid: GridName;
      readonly top: number;
      readonly height: number;
    }
  | { readonly type: 'row_chosen'; readonly grid: GridName; readonly index: number | undefined }
  | { readonly type: 'branch_turned'; readonly key: string; readonly open: boolean }
  | { readonly type: 'trace_begun'; readonly id: number; readonly target: TraceTarget }
  | {
      readonly type: 'traced';
      readonly id: number;
      readonly events: readonly TraceEvent[];
      readonly end: string | undefined;
    }
  | { readonly type: 'trace_shown'; readonly as: 'chart' | 'list' }
  | { readonly type: 'trace_closed' }
  | { readonly type: 'asked'; readonly question: Question }
  | { readonly type: 'question_closed' }
  | { readonly type: 'act_begun'; readonly id: number; readonly act: Act }
  | { readonly type: 'answered'; readonly id: number; readonly problem: string | undefined }
  | { readonly type: 'screen_changed'; readonly narrow: boolean; readonly hidden: boolean };

/** The page before it knows anything. */
export function initialState(now: number, route: Route = HOME): State {
  return {
    now,
    access: { phase: 'unknown', tokenNeeded: false, checking: false, problem: undefined },
    connection: { phase: 'connecting' },
    hello: undefined,
    stale: false,
    route,
    data: {},
    problems: {},
    grids: { processes: UNSEEN, tree: UNSEEN, groups: UNSEEN, members: UNSEEN, channels: UNSEEN },
    open: new Set(),
    seen: new Set(),
    trace: undefined,
    traceAs: 'chart',
    question: undefined,
    doing: undefined,
    narrow: false,
    hidden: false,
    announcement: { text: '', turn: 0 },
    focus: { target: '', turn: 0 },
  };
}

/** The node that is looked into, when that is known. */
export function nodeOf({ route, hello }: State): string | undefined {
  return route.node ?? hello?.node;
}
