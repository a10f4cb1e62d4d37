// reduce(state, event): the next state. Touches nothing else.
import type { Act } from '../protocol.ts';
import { applyChanges, openWithRoom, sampleChannels, silent } from './changes.ts';
import { ANSWER_MS, OPEN_MAX, TRACE_EVENTS_MAX } from './limits.ts';
import type { Route } from './route.ts';
import type { GridName, PageEvent, State } from './state.ts';
import { type Grid, keyAt, UNSEEN, wantedRows } from './table.ts';

/** Ticks of the clock until scrolling counts as at rest: the last one may come at once. */
const MOVING_TICKS = 2;

type Handlers = { [Event in PageEvent as Event['type']]: (state: State, event: Event) => State };

/** The next state. */
export function reduce(state: State, event: PageEvent): State {
  return (handlers[event.type] as (state: State, event: PageEvent) => State)(state, event);
}

const handlers: Handlers = {
  ticked(state, { now }) {
    const { doing } = state;
    const { channels, nodes } = state.data;
    const data = {
      ...state.data,
      channelRates: sampleChannels(channels, state.data.channelRates),
      nodes: silent(nodes, now),
    };
    const ticked = { ...state, now, data, grids: resting(state.grids) };
    if (doing?.outcome !== 'waiting' || now - doing.at < ANSWER_MS) return ticked;
    return fail(ticked, 'The node has not answered. It may have been done all the same.');
  },

  session_read(state, { signedIn, tokenNeeded }) {
    const access = {
      ...state.access,
      phase: signedIn ? ('in' as const) : ('out' as const),
      tokenNeeded,
      checking: false,
      problem: signedIn ? undefined : state.access.problem,
    };
    const next = { ...state, access };
    if (signedIn || state.access.phase === 'out') return next;
    return focusOn(forget(next), 'token');
  },

  sign_in_submitted: (state) => ({
    ...state,
    access: { ...state.access, checking: true, problem: undefined },
  }),

  sign_in_failed: (state, { text }) =>
    focusOn({ ...state, access: { ...state.access, checking: false, problem: text } }, 'token'),

  signed_out: (state) =>
    focusOn(
      forget({ ...state, access: { ...state.access, phase: 'out', checking: false, problem: undefined } }),
      'token',
    ),

  connection_changed(state, { connection }) {
    const next = { ...state, connection };
    if (connection.phase !== 'waiting' || state.stale || state.hello === undefined) return next;
    return say(
      { ...next, stale: true, trace: endTrace(state, 'The connection was lost.') },
      'Not connected.',
    );
  },

  greeted(state, { node, allow }) {
    const next: State = { ...forget(state), connection: { phase: 'online' }, hello: { node, allow } };
    return state.stale ? say({ ...next, stale: false }, 'Connected again.') : next;
  },

  changed: (state, { changes, now }) => applyChanges(state, changes, now),

  problem(state, { view, text }) {
    const problems = { ...state.problems, [view]: text };
    // The last that was seen of a process that has ended stays.
    const data = view === 'process' ? state.data : { ...state.data, [view]: undefined };
    return { ...state, problems, data };
  },

  routed: (state, { route }) => goTo(state, route),

  scrolled(state, { grid, top, height }) {
    const before = state.grids[grid];
    if (before.top === top && before.height === height) return state;
    return withGrid(state, grid, {
      ...before,
      top,
      height,
      moving: before.top === top ? before.moving : MOVING_TICKS,
      wanted: wantedRows(before.wanted, { top, height }),
    });
  },

  row_chosen(state, { grid, index }) {
    const active = index === undefined ? undefined : { index, key: keyAt(state.data[grid], index) };
    return withGrid(state, grid, { ...state.grids[grid], active });
  },

  branch_turned(state, { key, open }) {
    const keys = new Set(openWithRoom(state, open ? 1 : 0));
    if (open && keys.size < OPEN_MAX) keys.add(key);
    else if (open) return say(state, `No more than ${OPEN_MAX} branches can be open at once.`);
    else keys.delete(key);
    return { ...state, open: keys };
  },

  trace_begun: (state, { id, target }) =>
    say({ ...state, trace: { id, target, events: [], dropped: 0, end: undefined } }, 'The trace has begun.'),

  traced(state, { id, events, end }) {
    const { trace } = state;
    if (trace?.id !== id) return state;
    const all = [...trace.events, ...events];
    const kept = all.slice(-TRACE_EVENTS_MAX);
    const dropped = trace.dropped + all.length - kept.length;
    const next = { ...state, trace: { ...trace, events: kept, dropped, end: trace.end ?? end } };
    return end === undefined || trace.end !== undefined ? next : say(next, 'The trace has ended.');
  },

  trace_shown: (state, { as }) => ({ ...state, traceAs: as }),

  trace_closed: (state) => ({ ...state, trace: undefined }),

  asked: (state, { question }) => ({ ...state, question }),

  question_closed: (state) => ({ ...state, question: undefined }),

  act_begun: (state, { id, act }) => ({
    ...state,
    question: undefined,
    doing: { id, act, at: state.now, outcome: 'waiting', problem: undefined },
  }),

  answered(state, { id, problem }) {
    const { doing, trace } = state;
    if (trace?.id === id && problem !== undefined) return { ...state, trace: { ...trace, end: problem } };
    if (doing?.id !== id) return state;
    if (problem !== undefined) return fail(state, problem);
    return say({ ...state, doing: { ...doing, outcome: 'done' } }, doneText(doing.act));
  },

  screen_changed: (state, { narrow, hidden }) => ({ ...state, narrow, hidden }),
};

/** The grids a tick later. */
function resting(grids: State['grids']): State['grids'] {
  if (Object.values(grids).every(({ moving }) => moving === 0)) return grids;
  const entries = Object.entries(grids).map(([name, grid]) => [
    name,
    { ...grid, moving: Math.max(0, grid.moving - 1) },
  ]);
  return Object.fromEntries(entries) as State['grids'];
}

/** What was done, for people. */
export function doneText({ kind }: Act): string {
  if (kind === 'exit') return 'The exit signal was sent.';
  if (kind === 'send') return 'The message was sent.';
  return kind === 'suspend' ? 'The process is suspended.' : 'The process goes on.';
}

/** Has a screen reader told something. */
function say(state: State, text: string): State {
  return { ...state, announcement: { text, turn: state.announcement.turn + 1 } };
}

function focusOn(state: State, target: string): State {
  return { ...state, focus: { target, turn: state.focus.turn + 1 } };
}

function fail(state: State, problem: string): State {
  if (state.doing === undefined) return state;
  return say({ ...state, doing: { ...state.doing, outcome: 'failed', problem } }, problem);
}

/** Lets go of all that is known of the node. */
function forget(state: State): State {
  return {
    ...state,
    hello: undefined,
    data: {},
    problems: {},
    open: new Set(),
    seen: new Set(),
    question: undefined,
    doing: undefined,
  };
}

function endTrace({ trace }: State, end: string): State['trace'] {
  return trace === undefined || trace.end !== undefined ? trace : { ...trace, end };
}

function withGrid(state: State, name: GridName, grid: Grid): State {
  return { ...state, grids: { ...state.grids, [name]: grid } };
}

/** Another place: what belongs to the one before is let go, and what has other rows now is seen from its top. */
function goTo(state: State, route: Route): State {
  const { route: before } = state;
  const grids = { ...state.grids };
  const differs = (...names: (keyof Route)[]): boolean => names.some((name) => route[name] !== before[name]);
  if (differs('node', 'view', 'sort', 'reverse', 'match')) grids.processes = fromTop(grids.processes);
  if (differs('node', 'view', 'match', 'scope')) {
    grids.groups = fromTop(grids.groups);
    grids.channels = fromTop(grids.channels);
  }
  if (differs('node', 'view', 'scope', 'group')) grids.members = fromTop(grids.members);
  if (differs('node', 'view')) grids.tree = fromTop(grids.tree);
  const next: State = { ...state, route, grids };
  const data = { ...state.data };
  if (differs('process')) data.process = undefined;
  if (differs('scope', 'group')) data.members = undefined;
  if (differs('scope')) data.groups = undefined;
  const aside =
    differs('process', 'channel') || differs('node') ? { trace: undefined, doing: undefined } : {};
  const problems = differs('node', 'view', 'process', 'scope', 'group') ? {} : state.problems;
  if (differs('node')) return { ...forget(next), hello: state.hello, ...aside };
  return withFocus({ ...next, data, problems, ...aside }, before);
}

function fromTop({ height }: Grid): Grid {
  return { ...UNSEEN, height };
}

/** The focus follows into the side when it opens, and back to the rows when it closes. */
function withFocus(state: State, before: Route): State {
  const { process, channel, view } = state.route;
  const side = process ?? channel;
  if (side !== undefined && side !== (before.process ?? before.channel)) return focusOn(state, 'side-title');
  if (side === undefined && (before.process ?? before.channel) !== undefined)
    return focusOn(state, `grid-${view}`);
  return state;
}
