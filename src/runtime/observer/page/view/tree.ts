// The supervision tree: a tree of which the lines in sight are drawn, with the keys that trees have. See grid.ts for the focus.
import { html, nothing } from 'lit-html';
import { repeat } from 'lit-html/directives/repeat.js';
import type { TreeLine } from '../../protocol.ts';
import { count, counted } from '../format.ts';
import { ROW_PX } from '../limits.ts';
import { sideLink } from '../route.ts';
import type { State } from '../state.ts';
import { drawnOrder, keyAt, rowAt, slotsOf, type Table } from '../table.ts';
import { placeOf, rowId, sendScroll, showRow, stepFrom } from './grid.ts';
import { emptyView, statusMark } from './parts.ts';
import type { Actions, View } from './types.ts';

/** The view. */
export function treeView(state: State, actions: Actions): View {
  const { tree } = state.data;
  return html`
    <div class="tools">
      <h2 id="view-title" tabindex="-1">Supervision tree</h2>
      <p class="soft total">${tree === undefined ? '' : counted(tree.total, 'line', 'lines')}</p>
    </div>
    ${
      tree === undefined || tree.total === 0 || state.problems.tree !== undefined
        ? emptyView(state, 'tree', tree !== undefined, 'There is no process.')
        : linesView(state, actions, tree)
    }
  `;
}

function linesView(state: State, actions: Actions, table: Table<TreeLine>): View {
  const grid = state.grids.tree;
  const drawn = drawnOrder(grid, table.total);
  const slots = slotsOf(grid);
  const active = grid.active?.index;
  const activeKey = active === undefined ? undefined : keyAt(table, active);
  const isDrawn = active !== undefined && drawn.includes(active);
  const places = placesOf(table);
  return html`
    <div
      class="grid grid-tree"
      id="grid-tree"
      role="tree"
      tabindex="0"
      aria-label="Supervision tree"
      aria-activedescendant=${isDrawn && activeKey !== undefined ? rowId('tree', activeKey) : nothing}
      data-grid="tree"
      @scroll=${(event: Event) => sendScroll('tree', event.currentTarget as HTMLElement, actions)}
      @keydown=${(event: KeyboardEvent) => treeKeys(event, state, actions, table)}
    >
      <div
        role="presentation"
        class="grid-body"
        .style=${`height:${table.total * ROW_PX}px`}
        @click=${(event: MouseEvent) => treeClick(event, actions, table)}
      >
        ${repeat(
          drawn,
          (index) => index % slots,
          (index) => lineView(index, state, table, places),
        )}
      </div>
    </div>
  `;
}

/** Where a line stands among its siblings. */
interface Place {
  readonly at: number;
  readonly of: number;
}

/** The places of the lines whose parent is here, by their number. */
function placesOf(table: Table<TreeLine>): ReadonlyMap<number, Place> {
  const places = new Map<number, Place>();
  const above: { readonly line: TreeLine; seen: number }[] = []; // by depth
  table.order.forEach((key, offset) => {
    const line = table.rows.get(key);
    if (line === undefined) return;
    above.length = Math.min(above.length, line.depth);
    const parent = above[line.depth - 1];
    if (parent !== undefined) {
      parent.seen++;
      places.set(table.first + offset, { at: parent.seen, of: Math.max(parent.seen, parent.line.children) });
    }
    above[line.depth] = { line, seen: 0 };
  });
  return places;
}

function lineView(
  index: number,
  { grids, route }: State,
  table: Table<TreeLine>,
  places: ReadonlyMap<number, Place>,
): View {
  const line = rowAt(table, index);
  const isActive = grids.tree.active?.index === index;
  if (line === undefined) {
    return html`<div role="presentation" class="row absent" data-index=${index} .style=${placeOf(index)}>
      <span></span>
    </div>`;
  }
  const { key, depth, pid, title, type, status, strategy, children, open } = line;
  const place = places.get(index);
  return html`<div
    role="treeitem"
    class="row"
    id=${rowId('tree', key)}
    aria-level=${depth + 1}
    aria-posinset=${place?.at ?? nothing}
    aria-setsize=${place?.of ?? nothing}
    aria-expanded=${children === 0 ? nothing : open ? 'true' : 'false'}
    aria-selected=${pid !== undefined && route.process === pid ? 'true' : 'false'}
    data-index=${index}
    data-key=${key}
    ?data-active=${isActive}
    .style=${`${placeOf(index)};--depth:${Math.min(depth, 24)}`}
  >
    <span class="twig" data-turn aria-hidden="true">${children === 0 ? '' : open ? '▾' : '▸'}</span>
    <span class="title ${type}">${title}</span>
    ${pid === undefined ? nothing : html`<a class="pid" tabindex="-1" href=${sideLink(route, { process: pid })}>${pid}</a>`}
    ${strategy === undefined ? nothing : html`<span class="tag">${strategy}</span>`}
    ${status === 'running' ? nothing : statusMark(status)}
    ${children === 0 ? nothing : html`<span class="soft number">${count(children)}</span>`}
  </div>`;
}

function treeClick(event: MouseEvent, { send, go }: Actions, table: Table<TreeLine>): void {
  const target = event.target as Element;
  const element = target.closest<HTMLElement>('[data-index]');
  const index = Number(element?.dataset['index'] ?? NaN);
  const line = rowAt(table, index);
  if (line === undefined) return;
  send({ type: 'row_chosen', grid: 'tree', index });
  if (target.closest('a') !== null) return;
  if (target.closest('[data-turn]') !== null && line.children > 0) {
    send({ type: 'branch_turned', key: line.key, open: !line.open });
  } else if (line.pid !== undefined) go({ process: line.pid, channel: undefined });
}

function treeKeys(event: KeyboardEvent, state: State, { send, go }: Actions, table: Table<TreeLine>): void {
  const from = state.grids.tree.active?.index;
  const line = from === undefined ? undefined : rowAt(table, from);
  const tree = event.currentTarget as HTMLElement;
  const move = (index: number): void => {
    send({ type: 'row_chosen', grid: 'tree', index });
    showRow(tree, index);
  };
  const step = stepFrom(event, from, table.total);
  if (step !== undefined) {
    event.preventDefault();
    move(step);
    return;
  }
  if (from === undefined || line === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  const { key, children, open, pid, depth } = line;
  switch (event.key) {
    case 'ArrowRight':
      if (children > 0 && !open) send({ type: 'branch_turned', key, open: true });
      else if (children > 0) move(Math.min(from + 1, table.total - 1));
      break;
    case 'ArrowLeft':
      if (open && children > 0 && depth > 0) send({ type: 'branch_turned', key, open: false });
      else move(parentOf(table, from, depth));
      break;
    case 'Enter':
    case ' ':
      if (pid !== undefined) go({ process: pid, channel: undefined });
      break;
    default:
      return;
  }
  event.preventDefault();
}

/** The number of the line above that is one level up; the line itself at the top. */
function parentOf(table: Table<TreeLine>, from: number, depth: number): number {
  for (let index = from - 1; index >= table.first; index--) {
    if ((rowAt(table, index)?.depth ?? depth) < depth) return index;
  }
  return from;
}
