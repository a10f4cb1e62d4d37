// The whole page: its head with the node and the connection, the tabs, the view, the side. Changes of the connection are told to a
// screen reader once, by the announcer; figures are not told.
import { html, nothing } from 'lit-html';
import { duration, percent } from '../format.ts';
import { hashOf, HOME, type Route, viewLink, type ViewName, VIEWS } from '../route.ts';
import { nodeOf, type State } from '../state.ts';
import { channelsView } from './channels.ts';
import { groupsView } from './groups.ts';
import { loadView } from './load.ts';
import { nodesView } from './nodes.ts';
import { processesView } from './processes.ts';
import { questionView } from './questions.ts';
import { sideView } from './side.ts';
import { signInView } from './sign-in.ts';
import { treeView } from './tree.ts';
import type { Actions, View } from './types.ts';

/** The title of each view. */
export const TITLES: Record<ViewName, string> = {
  load: 'Load',
  processes: 'Processes',
  tree: 'Tree',
  groups: 'Groups',
  channels: 'Channels',
  nodes: 'Nodes',
};

const BODIES: Record<ViewName, (state: State, actions: Actions) => View> = {
  load: loadView,
  processes: processesView,
  tree: treeView,
  groups: groupsView,
  channels: channelsView,
  nodes: nodesView,
};

/** What the page shows for a state. */
export function pageView(state: State, actions: Actions): View {
  const { text, turn } = state.announcement;
  return html`
    ${state.access.phase === 'out' ? signInView(state, actions) : observerView(state, actions)}
    <!-- The alternating space makes a screen reader repeat equal words. -->
    <div class="unseen" role="status" data-testid="announcer">${text}${turn % 2 === 0 ? '' : '\u00a0'}</div>
  `;
}

function observerView(state: State, actions: Actions): View {
  const { route, narrow } = state;
  const isOpen = route.process !== undefined || route.channel !== undefined;
  const isCovered = narrow && isOpen;
  return html`
    <header class="page-head" ?inert=${isCovered}>
      <h1>Observer</h1>
      ${nodeView(state)} ${pulseView(state)} ${statusView(state, actions)}
      ${
        state.access.tokenNeeded
          ? html`<button type="button" class="quiet" @click=${actions.signOut}>Sign out</button>`
          : nothing
      }
    </header>
    <nav class="tabs" aria-label="Views" ?inert=${isCovered}>${VIEWS.map((view) => tab(route, view))}</nav>
    <div class="body ${isOpen ? 'with-side' : ''}" ?data-stale=${state.stale}>
      <main class="view view-${route.view}" ?inert=${isCovered}>${BODIES[route.view](state, actions)}</main>
      ${sideView(state, actions)}
    </div>
    ${questionView(state, actions)}
  `;
}

function tab(route: Route, view: ViewName): View {
  return html`<a href=${viewLink(route, view)} aria-current=${route.view === view ? 'page' : nothing}
    >${TITLES[view]}</a
  >`;
}

/** Which node is looked into, and the way back to the own one. */
function nodeView(state: State): View {
  const { route, hello } = state;
  const node = nodeOf(state);
  if (node === undefined) return html`<p class="node-name"></p>`;
  if (hello === undefined || node === hello.node)
    return html`<p class="node-name" data-testid="node">${node}</p>`;
  return html`<p class="node-name">
    <b data-testid="node">${node}</b> <span class="soft">through</span>
    <a href=${hashOf({ ...HOME, view: route.view })}>${hello.node}</a>
  </p>`;
}

/** The two figures that tell whether a node is well, on every view. */
function pulseView({ data }: State): View {
  const now = data.load?.now;
  if (now === undefined) return nothing;
  return html`<p class="pulse soft">
    <span>busy <b>${percent(now.busyShare)}</b></span> <span>delay <b>${duration(now.loop.p99Ms)}</b></span>
  </p>`;
}

function statusView(state: State, { tryNow }: Actions): View {
  const { connection } = state;
  const isLive = connection.phase === 'online';
  return html`<div class="status" data-testid="status" data-state=${isLive ? 'live' : connection.phase}>
    <span class="lamp" aria-hidden="true"></span>
    <span>${statusText(state)}</span>
    ${
      connection.phase === 'waiting'
        ? html`<button type="button" class="quiet" @click=${tryNow}>Try now</button>`
        : nothing
    }
  </div>`;
}

function statusText({ connection, now }: State): string {
  if (connection.phase === 'online') return 'Live';
  if (connection.phase === 'connecting') return 'Connecting…';
  const seconds = Math.max(0, Math.ceil((connection.retryAt - now) / 1_000));
  const what = connection.reason === '' ? 'Not connected' : `Not connected: ${connection.reason}`;
  return seconds === 0 ? what : `${what}, again in ${seconds} s`;
}
