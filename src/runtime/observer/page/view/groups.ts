// The groups of a scope, and the members of one of them.
import { html, nothing } from 'lit-html';
import type { GroupSummary, MemberRow } from '../../../inspect/index.ts';
import { count, counted } from '../format.ts';
import { nodeOf, type State } from '../state.ts';
import { type Column, gridView } from './grid.ts';
import { emptyView, filterField, processLink } from './parts.ts';
import type { Actions, View } from './types.ts';

/** The scope of the channels, which is shown when no other is chosen. */
const CHANNEL_SCOPE = 'nova_scope';

/** The view. */
export function groupsView(state: State, actions: Actions): View {
  const { groups } = state.data;
  const { group } = state.route;
  return html`
    <div class="tools">
      <h2 id="view-title" tabindex="-1">Groups</h2>
      <p class="soft total">${groups === undefined ? '' : count(groups.total)}</p>
      ${filterField(state, actions, 'Filter by name')} ${scopeField(state, actions)}
    </div>
    <div class="halves" ?data-open=${group !== undefined}>
      <div class="half">
        ${
          groups === undefined || groups.total === 0 || state.problems.groups !== undefined
            ? emptyView(
                state,
                'groups',
                groups !== undefined,
                state.route.match === ''
                  ? 'No group of this scope has members.'
                  : 'No group has this in its name.',
              )
            : gridView(state, actions, {
                name: 'groups',
                label: 'Groups',
                columns: groupColumns,
                table: groups,
                choose: (row) => actions.go({ group: row.group }),
                isOpen: (row) => row.group === group,
              })
        }
      </div>
      ${group === undefined ? nothing : membersView(state, actions, group)}
    </div>
  `;
}

function scopeField({ data, route }: State, { go }: Actions): View {
  const scopes = data.scopes ?? [];
  const chosen = route.scope ?? CHANNEL_SCOPE;
  const names = scopes.map(({ scope }) => scope);
  return html`<label class="scope">
    <span>Scope</span>
    <select
      @change=${(event: Event) => {
        const { value } = event.currentTarget as HTMLSelectElement;
        go({ scope: value === CHANNEL_SCOPE ? undefined : value, group: undefined });
      }}
    >
      ${[...new Set([chosen, ...names])].toSorted().map((name) => {
        const groups = scopes.find(({ scope }) => scope === name)?.groups;
        return html`<option value=${name} ?selected=${name === chosen}>
          ${name}${groups === undefined ? '' : ` (${count(groups)})`}
        </option>`;
      })}
    </select>
  </label>`;
}

function membersView(state: State, actions: Actions, group: string): View {
  const { members } = state.data;
  return html`<section class="half" aria-labelledby="members-title">
    <div class="half-head">
      <h3 id="members-title">Members of <q>${group}</q></h3>
      <p class="soft total">${members === undefined ? '' : counted(members.total, 'process', 'processes')}</p>
      <button type="button" class="quiet" @click=${() => actions.go({ group: undefined })}>Close</button>
    </div>
    ${
      members === undefined || members.total === 0 || state.problems.members !== undefined
        ? emptyView(state, 'members', members !== undefined, 'It has no members.')
        : gridView(state, actions, {
            name: 'members',
            label: `Members of ${group}`,
            columns: memberColumns(state),
            table: members,
            choose: ({ pid, node }) =>
              actions.go({ process: homePid(pid), channel: undefined, ...elsewhere(state, node) }),
            isOpen: ({ pid, node }) => state.route.process === pid && node === nodeOf(state),
          })
    }
  </section>`;
}

/** A process of another node is looked at there. */
function elsewhere({ route, hello }: State, node: string): { node?: string | undefined } {
  if (node === (route.node ?? hello?.node)) return {};
  return { node: node === hello?.node ? undefined : node };
}

/** A pid as its own node prints it. */
function homePid(pid: string): string {
  return pid.replace(/^<\d+\./, '<0.');
}

const groupColumns: readonly Column<GroupSummary>[] = [
  { name: 'group', title: 'Group', cell: ({ group }) => group },
  {
    name: 'number',
    title: 'Members',
    hint: 'On all nodes, each as often as it has joined',
    cell: ({ members }) => count(members),
  },
  { name: 'number', title: 'Here', hint: 'Members on this node', cell: ({ local }) => count(local) },
  {
    name: 'nodes',
    title: 'By node',
    cell: ({ nodes }) =>
      Object.entries(nodes).map(
        ([node, members]) => html`<span class="tag">${node}&nbsp;<b>${count(members)}</b></span>`,
      ),
  },
];

function memberColumns(state: State): readonly Column<MemberRow>[] {
  return [
    {
      name: 'pid',
      title: 'Pid',
      cell: ({ pid, node }) => processLink({ ...state.route, ...elsewhere(state, node) }, homePid(pid), pid),
    },
    { name: 'node', title: 'Node', cell: ({ node }) => node },
    {
      name: 'label',
      title: 'Name',
      cell: ({ name, label }) => name ?? html`<span class="soft">${label ?? ''}</span>`,
    },
    { name: 'number', title: 'Joined', hint: 'How often', cell: ({ count: times }) => `${count(times)}×` },
  ];
}
