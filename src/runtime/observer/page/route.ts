// What the address says: the view, the node that is looked into, sort, filter, what is open at the side. All of it stands behind the
// number sign, so that a link leads to the same place and the browser's own back button works.
import type { ProcessSort } from '../../inspect/index.ts';
import { GROUP_MAX, MATCH_MAX, NAME_MAX } from './limits.ts';

/** The views, in the order of the tabs. */
export const VIEWS = ['load', 'processes', 'tree', 'groups', 'channels', 'nodes'] as const;

/** A view. */
export type ViewName = (typeof VIEWS)[number];

/** What is shown. */
export interface Route {
  readonly view: ViewName;
  /** The node that is looked into; the server's own one when undefined. */
  readonly node: string | undefined;
  readonly sort: ProcessSort;
  readonly reverse: boolean;
  /** What processes, groups or channels have in their names. */
  readonly match: string;
  /** The scope of the groups; that of the channels when undefined. */
  readonly scope: string | undefined;
  /** The group whose members are shown. */
  readonly group: string | undefined;
  /** The process at the side. */
  readonly process: string | undefined;
  /** The channel at the side. */
  readonly channel: string | undefined;
}

const SORTS: readonly ProcessSort[] = [
  'pid',
  'name',
  'label',
  'mailbox',
  'handled',
  'age',
  'busy',
  'oldest',
  'rate',
];
/** What processes are sorted by unless something else was chosen: what keeps the node busy comes first. */
const DEFAULT_SORT: ProcessSort = 'busy';
const TEXTS = ['node', 'match', 'scope', 'group', 'process', 'channel'] as const;

/** The start. */
export const HOME: Route = {
  view: 'load',
  node: undefined,
  sort: DEFAULT_SORT,
  reverse: false,
  match: '',
  scope: undefined,
  group: undefined,
  process: undefined,
  channel: undefined,
};

/** Reads the part of an address from its number sign on. What it does not know is left out, and so is what the server would not read. */
export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const given = new URLSearchParams(query);
  const view = VIEWS.find((name) => name === path) ?? 'load';
  const sort = SORTS.find((name) => name === given.get('sort')) ?? DEFAULT_SORT;
  const text = (name: string, max = NAME_MAX): string | undefined => {
    const value = given.get(name) ?? '';
    return value === '' || value.length > max ? undefined : value;
  };
  return {
    view,
    node: text('node'),
    sort,
    reverse: given.has('reverse'),
    match: (given.get('match') ?? '').slice(0, MATCH_MAX),
    scope: text('scope'),
    group: text('group', GROUP_MAX),
    process: text('process'),
    channel: text('channel', GROUP_MAX),
  };
}

/** The address of a route, from the number sign on; what is as by default is left out. */
export function hashOf(route: Route): string {
  const query = new URLSearchParams();
  for (const name of TEXTS) if (route[name]) query.set(name, route[name]);
  if (route.sort !== DEFAULT_SORT) query.set('sort', route.sort);
  if (route.reverse) query.set('reverse', '');
  const text = query.toString().replaceAll('=&', '&').replace(/=$/, '');
  return `#/${route.view}${text === '' ? '' : `?${text}`}`;
}

/** Another view of the same node. */
export function viewLink({ node }: Route, view: ViewName, changes: Partial<Route> = {}): string {
  return hashOf({ ...HOME, node, view, ...changes });
}

/** The same view with something at the side, or with nothing. */
export function sideLink(route: Route, side: { process?: string; channel?: string }): string {
  return hashOf({ ...route, process: side.process, channel: side.channel });
}
