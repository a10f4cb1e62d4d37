// Small parts of several views: links to processes, what stands where nothing is, a filter.
import { html, nothing } from 'lit-html';
import { count } from '../format.ts';
import { LISTED_MAX, MATCH_MAX } from '../limits.ts';
import { type Route, sideLink, viewLink } from '../route.ts';
import type { State } from '../state.ts';
import type { Actions, View } from './types.ts';

/** A pid, or a name, as the link to its process; one of another node, which does not say of which, as it is. */
export function processLink(route: Route, target: string, text = target): View {
  if (/^<[1-9]/.test(target)) return html`<code>${text}</code>`;
  return html`<a class="pid" href=${sideLink(route, { process: target })}>${text}</a>`;
}

/** A channel as the link to it. */
export function channelLink(route: Route, channel: string): View {
  return html`<a href=${sideLink(route, { channel })}>${channel}</a>`;
}

/** A group as the link to its members. */
export function groupLink(route: Route, group: string, scope: string | undefined): View {
  return html`<a href=${viewLink(route, 'groups', { scope, group })}>${group}</a>`;
}

/** The state of a process, as a word with a colour. */
export function statusMark(status: string): View {
  return html`<span class="mark" data-status=${status}>${status}</span>`;
}

/** Some items, and how many more there are. */
export function listed<Item>(items: readonly Item[], draw: (item: Item) => unknown): View {
  if (items.length === 0) return html`<span class="soft">none</span>`;
  const more = items.length - LISTED_MAX;
  return html`<ul class="listed">
    ${items.slice(0, LISTED_MAX).map((item) => html`<li>${draw(item)}</li>`)}
    ${more > 0 ? html`<li class="soft">and ${count(more)} more</li>` : nothing}
  </ul>`;
}

/** What stands in place of a view that has nothing to show: why, or that it is on its way. */
export function emptyView(state: State, view: keyof State['problems'], isThere: boolean, none: string): View {
  const problem = state.problems[view];
  if (problem !== undefined) return html`<p class="problem" role="alert">${problem}</p>`;
  if (!isThere) return html`<p class="empty" data-loading>Reading…</p>`;
  return html`<p class="empty">${none}</p>`;
}

/** The field that selects rows by name. */
export function filterField(state: State, { replace }: Actions, label: string): View {
  const type = (event: Event): void => replace({ match: (event.currentTarget as HTMLInputElement).value });
  return html`<label class="filter">
    <span class="unseen">${label}</span>
    <input
      id="filter"
      type="search"
      placeholder="Filter"
      autocomplete="off"
      spellcheck="false"
      maxlength=${MATCH_MAX}
      .value=${state.route.match}
      @input=${type}
    />
  </label>`;
}
