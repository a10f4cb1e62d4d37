// What the server sends, put to what is there. Pure.
import type { ChannelRow, NodeRow, PeerRow } from '../../inspect/index.ts';
import type { Changes, LoadPoint, TreeLine } from '../protocol.ts';
import { LOAD_POINTS_MAX, OPEN_MAX, OPENED_CHILDREN_MAX, SEEN_MAX, SPARK_POINTS } from './limits.ts';
import type { Data, GridName, NodesData, PeerRate, State } from './state.ts';
import { changeTable, followActive, type Grid, type Table } from './table.ts';

/** The nodes are asked once a second. */
const SILENT_MS = 3_000;
const NO_RATE: PeerRate = { sentBytes: 0, receivedBytes: 0 };

/** The state after some views have changed. */
export function applyChanges(state: State, changes: Changes, now: number): State {
  const { data } = state;
  const next: { -readonly [Key in keyof Data]: Data[Key] } = { ...data };
  const grids: Record<GridName, Grid> = { ...state.grids };
  for (const name of ['processes', 'tree', 'groups', 'members', 'channels'] as const) {
    const change = changes[name];
    if (change === undefined) continue;
    const table = changeTable<never>(data[name] as Table<never> | undefined, change as never);
    next[name] = table;
    grids[name] = { ...grids[name], active: followActive(grids[name].active, table) };
  }
  if (changes.groups !== undefined) next.scopes = changes.groups.scopes;
  if (changes.nodes !== undefined) next.nodes = nodesData(data.nodes, changes.nodes, now);
  if (changes.load !== undefined) {
    const { points, now: figures } = changes.load;
    next.load = { points: joinPoints(data.load?.points ?? [], points), now: figures };
  }
  if (changes.process !== undefined) next.process = changes.process.detail;
  const problems = { ...state.problems };
  for (const view of Object.keys(changes) as (keyof Changes)[]) delete problems[view];
  const changed = { ...state, data: next, grids, problems };
  return changes.tree === undefined ? changed : openFirst(changed);
}

/** The rates of the channels after a second more. */
export function sampleChannels(
  channels: Data['channels'],
  before: Data['channelRates'],
): Data['channelRates'] {
  if (channels === undefined) return undefined;
  const rates = new Map<string, readonly number[]>();
  for (const row of channels.rows.values()) rates.set(row.channel, sampled(row, before));
  return rates;
}

/** Connections of which nothing has come for a while are silent: the server tells what has changed only. */
export function silent(nodes: NodesData | undefined, now: number): NodesData | undefined {
  if (nodes === undefined || nodes.rates.size === 0 || now - nodes.at < SILENT_MS) return nodes;
  return { ...nodes, rates: new Map([...nodes.rates.keys()].map((node) => [node, NO_RATE])) };
}

function sampled({ channel, perSecond }: ChannelRow, before: Data['channelRates']): readonly number[] {
  return [...(before?.get(channel) ?? []), perSecond].slice(-SPARK_POINTS);
}

/** Points of load in the order of time, each once, the last of them. */
function joinPoints(before: readonly LoadPoint[], more: readonly LoadPoint[]): readonly LoadPoint[] {
  const [first] = more;
  if (first === undefined) return before;
  const kept = before.filter(({ at }) => at < first.at);
  return [...kept, ...more].slice(-LOAD_POINTS_MAX);
}

function nodesData(
  before: NodesData | undefined,
  { nodes, peers }: { readonly nodes: readonly NodeRow[]; readonly peers: readonly PeerRow[] },
  at: number,
): NodesData {
  const seconds = before === undefined ? 0 : (at - before.at) / 1_000;
  // Counts that come in the same moment tell no rate; the one before stands.
  if (before !== undefined && seconds < 0.25) return { at: before.at, nodes, peers, rates: before.rates };
  const rates = new Map<string, PeerRate>();
  for (const peer of peers) {
    const earlier = before?.peers.find(({ node, since }) => node === peer.node && since === peer.since);
    if (earlier === undefined) continue;
    rates.set(peer.node, {
      sentBytes: Math.max(0, peer.sentBytes - earlier.sentBytes) / seconds,
      receivedBytes: Math.max(0, peer.receivedBytes - earlier.receivedBytes) / seconds,
    });
  }
  return { at, nodes, peers, rates };
}

/** Opens supervisors that are seen for the first time and have few children. */
function openFirst(state: State): State {
  const rows = state.data.tree?.rows ?? new Map<string, TreeLine>();
  const fresh = [...rows.values()].filter(({ key, type }) => type === 'supervisor' && !state.seen.has(key));
  if (fresh.length === 0) return state;
  const all = [...state.seen, ...fresh.map(({ key }) => key)];
  const seen = new Set(all.length > SEEN_MAX ? all.filter((key) => rows.has(key)) : all);
  const opened = fresh.filter(isOpenedAtFirst).map(({ key }) => key);
  if (opened.length === 0) return { ...state, seen };
  const before = openWithRoom(state, opened.length);
  return { ...state, seen, open: new Set([...before, ...opened].slice(0, OPEN_MAX)) };
}

/** What is open in the tree. Where there is no room for more, what is not in the window is let go: most of it may have ended long ago. */
export function openWithRoom({ open, data }: State, more: number): ReadonlySet<string> {
  if (open.size + more <= OPEN_MAX) return open;
  return new Set([...open].filter((key) => data.tree?.rows.has(key) === true));
}

function isOpenedAtFirst({ type, children, open }: TreeLine): boolean {
  return !open && type === 'supervisor' && children > 0 && children <= OPENED_CHILDREN_MAX;
}
