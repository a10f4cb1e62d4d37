// A grid of rows, of which only those in sight are drawn. The keyboard's focus stays on the grid itself, which names the row that keys
// act on (aria-activedescendant), so that rows can come, go and move under it. What is not here yet is drawn as a placeholder.
import { html, nothing } from 'lit-html';
import { guard } from 'lit-html/directives/guard.js';
import { repeat } from 'lit-html/directives/repeat.js';
import { ROW_PX } from '../limits.ts';
import type { GridName, State } from '../state.ts';
import { drawnOrder, type Grid, keyAt, rowAt, slotsOf, type Table } from '../table.ts';
import type { Actions, View } from './types.ts';

/** A column of a grid. */
export interface Column<Row> {
  /** Its class, which the style sheet knows. */
  readonly name: string;
  readonly title: string;
  /** What the title stands for, where it is short. */
  readonly hint?: string;
  readonly sorted?: 'ascending' | 'descending' | undefined;
  /** Sorts by it; absent where the server does not. */
  readonly sort?: () => void;
  /** What stands in it; it depends on the row, the time and the address alone. */
  cell(row: Row): unknown;
}

/** What a grid shows. */
export interface GridOptions<Row> {
  readonly name: GridName;
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly table: Table<Row>;
  /** What a click on a row, or Enter, does. */
  readonly choose?: (row: Row, key: string) => void;
  /** Whether a row is what the side shows. */
  readonly isOpen?: (row: Row) => boolean;
}

/** The grid. */
export function gridView<Row>(state: State, actions: Actions, options: GridOptions<Row>): View {
  const { name, label, columns, table } = options;
  const grid = state.grids[name];
  const drawn = drawnOrder(grid, table.total);
  const slots = slotsOf(grid);
  const activeKey = grid.active === undefined ? undefined : keyAt(table, grid.active.index);
  const isDrawn = grid.active !== undefined && drawn.includes(grid.active.index);
  return html`
    <div
      class="grid grid-${name}"
      id="grid-${name}"
      role="grid"
      tabindex="0"
      aria-label=${label}
      aria-rowcount=${table.total + 1}
      aria-colcount=${columns.length}
      aria-activedescendant=${isDrawn && activeKey !== undefined ? rowId(name, activeKey) : nothing}
      data-grid=${name}
      @scroll=${(event: Event) => sendScroll(name, event.currentTarget as HTMLElement, actions)}
      @keydown=${(event: KeyboardEvent) => gridKeys(event, state, actions, options)}
    >
      <div role="rowgroup" class="grid-head">
        <div role="row" class="row" aria-rowindex="1">${columns.map(headCell)}</div>
      </div>
      <div
        role="rowgroup"
        class="grid-body"
        .style=${`height:${table.total * ROW_PX}px`}
        @click=${(event: MouseEvent) => gridClick(event, actions, options)}
      >
        ${repeat(
          drawn,
          (index) => index % slots,
          (index) => {
            // Of what is drawn in each frame of scrolling most was drawn before.
            const isActive = grid.active?.index === index;
            return guard([rowAt(table, index), index, isActive, state.now, state.route], () =>
              rowView(index, grid, options),
            );
          },
        )}
      </div>
    </div>
  `;
}

/** Tells how far a grid is scrolled, and how high it is. */
export function sendScroll(
  grid: GridName,
  { scrollTop, clientHeight }: HTMLElement,
  { send }: Actions,
): void {
  send({ type: 'scrolled', grid, top: scrollTop, height: clientHeight });
}

/** The id of a row's element: no white space may be in it. */
export function rowId(name: GridName, key: string): string {
  return `${name}-${encodeURIComponent(key)}`;
}

function headCell<Row>({ name, title, hint, sorted, sort }: Column<Row>, at: number): View {
  return html`<div
    role="columnheader"
    class="cell ${name}"
    aria-colindex=${at + 1}
    aria-sort=${sorted ?? nothing}
    title=${hint ?? nothing}
  >
    ${
      sort === undefined
        ? title
        : html`<button type="button" class="sort" @click=${sort}>
            ${title}<span class="arrow" aria-hidden="true"
              >${sorted === undefined ? '' : sorted === 'ascending' ? '↑' : '↓'}</span
            >
          </button>`
    }
  </div>`;
}

function rowView<Row>(index: number, grid: Grid, { name, columns, table, isOpen }: GridOptions<Row>): View {
  const row = rowAt(table, index);
  const key = keyAt(table, index);
  const isActive = grid.active?.index === index;
  if (row === undefined || key === undefined) {
    return html`<div
      role="row"
      class="row absent"
      aria-rowindex=${index + 2}
      data-index=${index}
      ?data-active=${isActive}
      .style=${placeOf(index)}
    >
      ${columns.map(
        (column, at) =>
          html`<div role="gridcell" class="cell ${column.name}" aria-colindex=${at + 1}><span></span></div>`,
      )}
    </div>`;
  }
  return html`<div
    role="row"
    class="row"
    id=${rowId(name, key)}
    aria-rowindex=${index + 2}
    aria-selected=${isOpen === undefined ? nothing : isOpen(row) ? 'true' : 'false'}
    data-index=${index}
    data-key=${key}
    ?data-active=${isActive}
    .style=${placeOf(index)}
  >
    ${columns.map(
      (column, at) =>
        html`<div role="gridcell" class="cell ${column.name}" aria-colindex=${at + 1}>
          ${column.cell(row)}
        </div>`,
    )}
  </div>`;
}

/** Where a row lies. */
export function placeOf(index: number): string {
  return `transform:translateY(${index * ROW_PX}px)`;
}

function gridClick<Row>(
  event: MouseEvent,
  { send }: Actions,
  { name, table, choose }: GridOptions<Row>,
): void {
  const target = event.target as Element;
  const row = target.closest<HTMLElement>('[data-index]');
  if (row === null) return;
  const index = Number(row.dataset['index']);
  send({ type: 'row_chosen', grid: name, index });
  if (target.closest('a, button') !== null) return; // does what it does
  const [chosen, key] = [rowAt(table, index), keyAt(table, index)];
  if (chosen !== undefined && key !== undefined) choose?.(chosen, key);
}

function gridKeys<Row>(
  event: KeyboardEvent,
  state: State,
  actions: Actions,
  { name, table, choose }: GridOptions<Row>,
): void {
  if (event.target !== event.currentTarget) return; // a button in its head
  const { active } = state.grids[name];
  if (event.key === 'Enter' || event.key === ' ') {
    const [row, key] = active === undefined ? [] : [rowAt(table, active.index), keyAt(table, active.index)];
    if (row === undefined || key === undefined) return;
    event.preventDefault();
    choose?.(row, key);
    return;
  }
  const index = stepFrom(event, active?.index, table.total);
  if (index === undefined) return;
  event.preventDefault();
  actions.send({ type: 'row_chosen', grid: name, index });
  showRow(event.currentTarget as HTMLElement, index);
}

/** Where a key leads from a row; undefined for all other keys, and in an empty table. */
export function stepFrom(event: KeyboardEvent, from: number | undefined, total: number): number | undefined {
  if (total === 0 || event.ctrlKey || event.metaKey || event.altKey) return undefined;
  const page = Math.max(1, Math.floor((event.currentTarget as HTMLElement).clientHeight / ROW_PX) - 2);
  const clamp = (index: number): number => Math.min(Math.max(0, index), total - 1);
  switch (event.key) {
    case 'ArrowDown':
      return clamp((from ?? -1) + 1);
    case 'ArrowUp':
      return clamp((from ?? 0) - 1);
    case 'PageDown':
      return clamp((from ?? 0) + page);
    case 'PageUp':
      return clamp((from ?? 0) - page);
    case 'Home':
      return 0;
    case 'End':
      return total - 1;
    default:
      return undefined;
  }
}

/** Scrolls as little as it takes to have a row in sight. */
export function showRow(grid: HTMLElement, index: number): void {
  const head = grid.querySelector<HTMLElement>('.grid-head')?.offsetHeight ?? 0;
  const top = index * ROW_PX;
  const room = grid.clientHeight - head;
  if (top < grid.scrollTop) grid.scrollTop = top;
  else if (top + ROW_PX > grid.scrollTop + room) grid.scrollTop = top + ROW_PX - room;
}
