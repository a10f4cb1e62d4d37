// What the page makes of what happens: its bounds, and what it lets go of when it goes to another place, another node or another server.
import { describe, expect, test } from 'vitest';
import {
  ANSWER_MS,
  HOME,
  initialState,
  LOAD_POINTS_MAX,
  OPEN_MAX,
  OPENED_CHILDREN_MAX,
  type PageEvent,
  reduce,
  type Route,
  SEEN_MAX,
  SPARK_POINTS,
  type State,
  TRACE_EVENTS_MAX,
  viewsOf,
} from '../../../../src/runtime/observer/page/internal.ts';
import type { LoadPoint, TraceEvent } from '../../../../src/runtime/inspect/index.ts';
import type { Changes, TreeLine } from '../../../../src/runtime/observer/index.ts';

const after = (state: State, ...events: readonly PageEvent[]): State => events.reduce(reduce, state);
const greeted: PageEvent = { type: 'greeted', node: 'one@test', allow: true };
const routed = (changes: Partial<Route>): PageEvent => ({ type: 'routed', route: { ...HOME, ...changes } });
const changed = (changes: Changes, now = 0): PageEvent => ({ type: 'changed', changes, now });
const live = after(initialState(0), { type: 'session_read', signedIn: true, tokenNeeded: true }, greeted);

describe('what is kept', () => {
  const point = (at: number) => ({ at, p99Ms: at }) as LoadPoint;
  const load = (...at: readonly number[]): Changes => ({ load: { points: at.map(point), now: {} as never } });
  const times = (state: State): readonly number[] => (state.data.load?.points ?? []).map(({ at }) => at);

  test('points of load are each there once, and the last of them', () => {
    expect(times(after(live, changed(load(1, 2, 3)), changed(load(3, 4))))).toEqual([1, 2, 3, 4]);
    const many = Array.from({ length: LOAD_POINTS_MAX + 5 }, (_, at) => at);
    expect(times(after(live, changed(load(...many))))).toEqual(many.slice(5));
  });

  test('rates of a channel are those of the last minute, and go with the channel', () => {
    const channel = (perSecond: number): Changes => ({
      channels: {
        set: { news: { channel: 'news', perSecond } as never },
        order: ['news'],
        first: 0,
        total: 1,
      },
    });
    let state = live;
    for (let second = 0; second < SPARK_POINTS + 10; second++) {
      state = after(state, changed(channel(second)), { type: 'ticked', now: second * 1_000 });
    }
    const rates = state.data.channelRates?.get('news');
    expect(rates).toHaveLength(SPARK_POINTS);
    expect(rates?.at(-1)).toBe(SPARK_POINTS + 9);
    state = after(state, changed({ channels: { set: {}, order: [], first: 0, total: 0 } }), {
      type: 'ticked',
      now: 1e6,
    });
    expect(state.data.channelRates?.size).toBe(0);
  });

  test('messages of a trace are the last ones, the others are counted', () => {
    const event = (at: number): TraceEvent => ({
      at,
      direction: 'in',
      kind: 'message',
      from: undefined,
      to: 'a',
      text: '',
    });
    const begun = after(live, { type: 'trace_begun', id: 7, target: 'a' });
    const events = Array.from({ length: TRACE_EVENTS_MAX + 3 }, (_, at) => event(at));
    const { trace } = after(begun, { type: 'traced', id: 7, events, end: 'limit' });
    expect(trace).toMatchObject({ dropped: 3, end: 'limit' });
    expect(trace?.events).toHaveLength(TRACE_EVENTS_MAX);
    const other = after(begun, { type: 'traced', id: 6, events, end: 'limit' });
    expect(other.trace).toEqual(begun.trace);
  });

  test('traffic is what came between two counts, and none when the server tells of no more', () => {
    const peer = (sentBytes: number): Changes => ({
      nodes: {
        nodes: [],
        peers: [
          { node: 'two@test', state: 'up', since: 1, sentBytes, receivedBytes: 0, queuedBytes: 0 } as never,
        ],
      },
    });
    const counted = after(live, changed(peer(100), 1_000), changed(peer(300), 2_000));
    expect(counted.data.nodes?.rates.get('two@test')).toEqual({ sentBytes: 200, receivedBytes: 0 });
    const silent = after(counted, { type: 'ticked', now: 6_000 });
    expect(silent.data.nodes?.rates.get('two@test')).toEqual({ sentBytes: 0, receivedBytes: 0 });
  });
});

describe('the tree', () => {
  const line = (key: string, children: number, open = false): TreeLine => ({
    key,
    depth: 1,
    pid: key,
    title: key,
    type: 'supervisor',
    status: 'running',
    strategy: undefined,
    children,
    open,
  });
  const lines = (...rows: readonly TreeLine[]): PageEvent =>
    changed({
      tree: {
        set: Object.fromEntries(rows.map((row) => [row.key, row])),
        order: rows.map(({ key }) => key),
        first: 0,
        total: rows.length,
      },
    });

  test('opens a supervisor of few children when it is first seen, and not again after it was closed', () => {
    const state = after(live, lines(line('few', 2), line('many', OPENED_CHILDREN_MAX + 1)));
    expect([...state.open]).toEqual(['few']);
    const closed = after(state, { type: 'branch_turned', key: 'few', open: false }, lines(line('few', 2)));
    expect(closed.open.size).toBe(0);
  });

  test('has a bounded number of open branches, and says so', () => {
    const all = Array.from({ length: OPEN_MAX + 1 }, (_, at) => `p${at}`);
    const shown = lines(...all.map((key) => line(key, OPENED_CHILDREN_MAX + 1)));
    const opened = all.map((key) => ({ type: 'branch_turned', key, open: true }) as const);
    const state = after(live, shown, ...opened);
    expect(state.open.size).toBe(OPEN_MAX);
    expect(state.announcement.text).toMatch(/No more than 500 branches/);
    // Those that are gone from the window take no room.
    const later = after(state, lines(line('p1', 0), line('new', 2)));
    expect([...later.open]).toEqual(['p1', 'new']);
  });

  test('remembers a bounded number of supervisors, and no other process', () => {
    let state = after(live, lines({ ...line('worker', 0), type: 'worker' }));
    expect(state.seen.size).toBe(0);
    for (let at = 0; at < SEEN_MAX; at += 500)
      state = after(state, lines(...Array.from({ length: 500 }, (_, row) => line(`p${at + row}`, 0))));
    expect(state.seen.size).toBe(SEEN_MAX);
    expect([...after(state, lines(line('last', 0))).seen]).toEqual(['last']);
  });
});

describe('what is let go of', () => {
  const filled = after(
    live,
    routed({ view: 'processes', process: 'a' }),
    changed({ processes: { set: { a: {} as never }, order: ['a'], first: 0, total: 1 } }),
    { type: 'scrolled', grid: 'processes', top: 5_000, height: 600 },
    { type: 'row_chosen', grid: 'processes', index: 0 },
    { type: 'trace_begun', id: 1, target: 'a' },
  );

  test('another node: everything', () => {
    const state = after(filled, routed({ view: 'processes', node: 'two@test' }));
    expect(state.data).toEqual({});
    expect(state.trace).toBe(undefined);
    expect(state.grids.processes).toMatchObject({ top: 0, active: undefined, wanted: { first: 0 } });
    expect(state.hello).toEqual({ node: 'one@test', allow: true });
  });

  test('another sort: where the rows were scrolled to', () => {
    const state = after(filled, routed({ view: 'processes', process: 'a', sort: 'pid' }));
    expect(state.grids.processes).toMatchObject({ top: 0, active: undefined });
    expect(state.trace).toBeDefined();
  });

  test('another process: its trace, and nothing else', () => {
    const state = after(filled, routed({ view: 'processes', process: 'b' }));
    expect(state.trace).toBe(undefined);
    expect(state.grids.processes.top).toBe(5_000);
    expect(state.focus.target).toBe('side-title');
    expect(after(state, routed({ view: 'processes' })).focus.target).toBe('grid-processes');
  });

  test('a server that comes back: all that was known, but not the place', () => {
    const lost = after(filled, {
      type: 'connection_changed',
      connection: { phase: 'waiting', retryAt: 1, reason: '' },
    });
    expect(lost).toMatchObject({ stale: true, trace: { end: 'The connection was lost.' } });
    expect(lost.data).toEqual(filled.data);
    const back = after(lost, greeted);
    expect(back).toMatchObject({ stale: false, data: {}, route: filled.route });
  });

  test('the end of a session: everything', () => {
    const state = after(filled, { type: 'session_read', signedIn: false, tokenNeeded: true });
    expect(state).toMatchObject({ data: {}, hello: undefined, access: { phase: 'out' } });
    expect(state.focus.target).toBe('token');
  });
});

test('an act that nobody answers is given up', () => {
  const begun = after(live, { type: 'act_begun', id: 3, act: { kind: 'suspend', target: 'a' } });
  expect(after(begun, { type: 'ticked', now: ANSWER_MS - 1 }).doing?.outcome).toBe('waiting');
  const given = after(begun, { type: 'ticked', now: ANSWER_MS });
  expect(given.doing).toMatchObject({
    outcome: 'failed',
    problem: expect.stringMatching(/has not answered/),
  });
  expect(after(given, { type: 'answered', id: 2, problem: undefined })).toBe(given);
});

test('a problem stands until its view can be shown again', () => {
  const state = after(live, { type: 'problem', view: 'processes', text: 'It does not answer.' });
  expect(state.problems).toEqual({ processes: 'It does not answer.' });
  const empty = { set: {}, order: [], first: 0, total: 0 };
  expect(after(state, changed({ processes: empty })).problems).toEqual({});
});

test('only what is seen is looked at, and nothing while nobody sees the page', () => {
  const views = (route: Partial<Route>): readonly string[] =>
    Object.keys(viewsOf(after(live, routed(route))));
  expect(views({})).toEqual(['load']);
  expect(views({ view: 'processes', process: 'a' })).toEqual(['load', 'processes', 'process']);
  expect(views({ view: 'groups', group: 'g', node: 'two@test' })).toEqual([
    'node',
    'load',
    'groups',
    'members',
  ]);
  const hidden = after(live, { type: 'screen_changed', narrow: false, hidden: true });
  expect(viewsOf(hidden)).toEqual({});
});
