// The table of processes.
import { html } from 'lit-html';
import type { ProcessSort, ProcessSummary } from '../../../inspect/index.ts';
import { age, count, counted, duration, percent, rate } from '../format.ts';
import type { State } from '../state.ts';
import { type Column, gridView } from './grid.ts';
import { emptyView, filterField, processLink, statusMark } from './parts.ts';
import type { Actions, View } from './types.ts';

/** What these sorts put first is the lowest; all others begin with the highest. The oldest process has the highest age. */
const ASCENDING: readonly ProcessSort[] = ['pid', 'name', 'label'];
const TITLES: Record<ProcessSort, string> = {
  pid: 'Pid',
  name: 'Name',
  label: 'Label',
  mailbox: 'Mailbox',
  oldest: 'Oldest',
  handled: 'Handled',
  rate: 'Msg/s',
  busy: 'Busy',
  age: 'Age',
};

/** The view. */
export function processesView(state: State, actions: Actions): View {
  const { processes } = state.data;
  const { match } = state.route;
  return html`
    <div class="tools">
      <h2 id="view-title" tabindex="-1">Processes</h2>
      <p class="soft total" data-testid="total">
        ${processes === undefined ? '' : match === '' ? count(processes.total) : counted(processes.total, 'match', 'matches')}
      </p>
      ${filterField(state, actions, 'Filter by name, label or behaviour')} ${sortField(state, actions)}
    </div>
    ${
      processes === undefined || processes.total === 0 || state.problems.processes !== undefined
        ? emptyView(
            state,
            'processes',
            processes !== undefined,
            'No process has this in its name, label or behaviour.',
          )
        : gridView(state, actions, {
            name: 'processes',
            label: 'Processes',
            columns: columnsOf(state, actions),
            table: processes,
            choose: ({ pid }) => actions.go({ process: pid, channel: undefined }),
            isOpen: ({ pid }) => state.route.process === pid,
          })
    }
  `;
}

/** Where there is no room for all columns their sorts would be out of reach. */
function sortField({ route }: State, { replace }: Actions): View {
  return html`<label class="sort-by">
    <span class="unseen">Sort by</span>
    <select
      .value=${route.sort}
      @change=${(event: Event) =>
        replace({ sort: (event.currentTarget as HTMLSelectElement).value as ProcessSort, reverse: false })}
    >
      ${Object.entries(TITLES).map(
        ([sort, title]) => html`<option value=${sort} ?selected=${sort === route.sort}>${title}</option>`,
      )}
    </select>
  </label>`;
}

function columnsOf(state: State, { replace }: Actions): readonly Column<ProcessSummary>[] {
  const { route, now } = state;
  const sorting = (sort: ProcessSort): Pick<Column<ProcessSummary>, 'title' | 'sorted' | 'sort'> => ({
    title: TITLES[sort],
    sorted:
      route.sort !== sort
        ? undefined
        : ASCENDING.includes(sort) === route.reverse
          ? 'descending'
          : 'ascending',
    sort: () => replace({ sort, reverse: route.sort === sort && !route.reverse }),
  });
  return [
    { name: 'pid', ...sorting('pid'), cell: ({ pid }) => processLink(route, pid) },
    {
      name: 'name',
      ...sorting('name'),
      cell: ({ name, label }) => name ?? html`<span class="narrow soft">${label}</span>`,
    },
    { name: 'label', ...sorting('label'), cell: ({ label, name }) => repeated(label, name) },
    { name: 'behaviour', title: 'Behaviour', cell: ({ behaviour, label }) => repeated(behaviour, label) },
    { name: 'status', title: 'Status', cell: statusCell },
    {
      name: 'number mailbox',
      ...sorting('mailbox'),
      hint: 'Messages that wait',
      cell: ({ mailbox }) =>
        mailbox === 0 ? html`<span class="soft">0</span>` : html`<b>${count(mailbox)}</b>`,
    },
    {
      name: 'number oldest',
      ...sorting('oldest'),
      hint: 'How long the oldest message has waited at least',
      cell: ({ oldestMs }) => (oldestMs === 0 ? '' : duration(oldestMs)),
    },
    {
      name: 'number handled',
      ...sorting('handled'),
      hint: 'Messages handled since the start',
      cell: ({ handled }) => count(handled),
    },
    {
      name: 'number rate',
      ...sorting('rate'),
      hint: 'Messages handled in a second',
      cell: ({ handledPerSecond }) => rate(handledPerSecond),
    },
    {
      name: 'number busy',
      ...sorting('busy'),
      hint: 'Share of the last seconds that its handlers took',
      cell: ({ busyShare }) => busyCell(busyShare),
    },
    { name: 'number age', ...sorting('age'), cell: ({ startedAt }) => age(now - startedAt) },
  ];
}

function statusCell({ status, awaitingMs }: ProcessSummary): View {
  return html`${statusMark(status)}${awaitingMs === undefined ? '' : html` <span class="soft">${duration(awaitingMs)}</span>`}`;
}

function busyCell(share: number): View {
  return html`<span class="bar" .style=${`--share:${Math.min(1, share).toFixed(3)}`}></span
    ><span class="share">${percent(share)}</span>`;
}

/** What says the same as the column before it is there for a reader who looks for it, and no more. */
function repeated(text: string, before: string | undefined): unknown {
  return text === before ? html`<span class="soft">${text}</span>` : text;
}
