// The page in a browser: hands the browser's parts to the page, draws what it says, and does what a template cannot: give the focus,
// open the dialog, draw the charts, keep the address. What a person does and what is scrolled is drawn in the same frame; what the server
// sends once for each frame, and not at all while nobody sees the page.
import { render } from 'lit-html';
import { App } from './app.ts';
import { Charts } from './charts.ts';
import { hashOf, parseRoute, type Route } from './route.ts';
import type { GridName, State } from './state.ts';
import { pageView, TITLES } from './view/page.ts';
import type { Actions } from './view/types.ts';
import './style/palette.css';
import './style/page.css';
import './style/forms.css';
import './style/grid.css';
import './style/load.css';
import './style/side.css';
import './style/nodes.css';

const root = element('page');
const charts = new Charts();
const narrow = matchMedia('(max-width: 47.99rem)');
const dark = matchMedia('(prefers-color-scheme: dark)');
const sized = new WeakSet<Element>();
let frame: number | undefined;
let focusTurn = 0;
let rowsSeen = '';

const app = new App({
  base: document.baseURI,
  route: parseRoute(location.hash),
  fetch: (url, init) => fetch(url, init),
  openSocket: (url) => new WebSocket(url),
  now: () => Date.now(),
  random: () => Math.random(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
  draw() {
    frame ??= requestAnimationFrame(draw);
  },
});

const actions: Actions = {
  send(event) {
    app.send(event);
    drawNow();
  },
  go: (changes) => visit({ ...app.state.route, ...changes }, 'pushState'),
  replace: (changes) => visit({ ...app.state.route, ...changes }, 'replaceState'),
  trace: (target) => app.trace(target),
  untrace: () => app.untrace(),
  act: (act) => app.act(act),
  signIn: (token) => void app.signIn(token),
  signOut: () => void app.signOut(),
  tryNow: () => app.tryNow(),
};

/** Grids that have changed their height. */
const heights = new ResizeObserver((entries) => {
  for (const { target } of entries) measure(target as HTMLElement);
});

function visit(route: Route, how: 'pushState' | 'replaceState'): void {
  history[how](null, '', hashOf(route));
  actions.send({ type: 'routed', route });
}

/** Draws what a person has done: what is done next is meant for what is seen then. */
function drawNow(): void {
  if (frame === undefined) return;
  cancelAnimationFrame(frame);
  draw();
}

function draw(): void {
  frame = undefined;
  const { state } = app;
  const focused = document.activeElement;
  render(pageView(state, actions), root);
  showQuestion(state);
  charts.draw(root, state.data.load?.points ?? []);
  for (const grid of root.querySelectorAll<HTMLElement>('[data-grid]')) {
    if (sized.has(grid)) continue;
    sized.add(grid);
    heights.observe(grid);
  }
  backToTop(state);
  giveFocus(state, focused);
  document.title = `${state.route.process ?? state.route.channel ?? TITLES[state.route.view]} · Observer`;
}

function measure({ dataset, scrollTop, clientHeight }: HTMLElement): void {
  const grid = dataset['grid'] as GridName;
  app.send({ type: 'scrolled', grid, top: scrollTop, height: clientHeight });
}

/** Rows in another order, or others, are seen from their top. */
function backToTop({ route }: State): void {
  const rows = hashOf({ ...route, process: undefined, channel: undefined });
  if (rows === rowsSeen) return;
  rowsSeen = rows;
  for (const grid of root.querySelectorAll<HTMLElement>('[data-grid]')) {
    if (app.state.grids[grid.dataset['grid'] as GridName].top === 0) grid.scrollTop = 0;
  }
}

function giveFocus({ focus }: State, focused: Element | null): void {
  if (focus.turn !== focusTurn) {
    focusTurn = focus.turn;
    (document.getElementById(focus.target) ?? document.getElementById('view-title'))?.focus();
    return;
  }
  // What had the focus is gone with what it stood in.
  const lost = document.activeElement === document.body && focused !== null && focused !== document.body;
  if (lost) document.getElementById('view-title')?.focus({ preventScroll: true });
}

function showQuestion({ question }: State): void {
  const dialog = document.getElementById('question') as HTMLDialogElement | null;
  if (dialog === null) return;
  if (question !== undefined && !dialog.open) dialog.showModal();
  if (question === undefined && dialog.open) dialog.close();
}

function lookAtScreen(): void {
  app.send({
    type: 'screen_changed',
    narrow: narrow.matches,
    hidden: document.visibilityState === 'hidden',
  });
}

function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`The page has no element with the id "${id}".`);
  return found;
}

window.addEventListener('popstate', () => {
  const route = parseRoute(location.hash);
  if (hashOf(route) !== hashOf(app.state.route)) app.send({ type: 'routed', route });
});
window.addEventListener('online', () => app.tryNow());
document.addEventListener('visibilitychange', () => {
  lookAtScreen();
  if (document.visibilityState === 'visible') app.tryNow();
});
narrow.addEventListener('change', lookAtScreen);
dark.addEventListener('change', () => charts.recolour());
lookAtScreen();
app.start();
draw();
