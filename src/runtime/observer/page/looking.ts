// What the server is asked for: what the view shows, and nothing while nobody sees the page.
import type { Views } from '../protocol.ts';
import type { State } from './state.ts';

/** What the page looks at. The load is always looked at: the head of the page shows it, and a server that sends it is there. */
export function viewsOf({ route, grids, open, hidden }: State): Views {
  if (hidden) return {};
  const { view, sort, reverse, match, scope, group, process } = route;
  const named = match === '' ? {} : { match };
  return {
    ...(route.node === undefined ? {} : { node: route.node }),
    load: true,
    ...(view === 'processes' && {
      processes: { sort, ...(reverse && { reverse }), ...named, ...grids.processes.wanted },
    }),
    ...(view === 'tree' && { tree: { open: [...open], ...grids.tree.wanted } }),
    ...(view === 'groups' && {
      groups: { ...(scope !== undefined && { scope }), ...named, ...grids.groups.wanted },
    }),
    ...(view === 'groups' &&
      group !== undefined && {
        members: { ...(scope !== undefined && { scope }), group, ...grids.members.wanted },
      }),
    ...(view === 'channels' && { channels: { ...named, ...grids.channels.wanted } }),
    ...(view === 'nodes' && { nodes: true as const }),
    ...(process !== undefined && { process }),
  };
}
