// The page in a browser: hands the browser's parts to the application, draws what it says, and does the three things
// that a template cannot: give the focus, open the dialog, and keep the focus where it was when rows move. What a
// person does is drawn at once, for the focus and the keyboard of a phone have to follow in the same turn; everything
// else once for each frame, however many events it holds, and not at all while the page is not seen.
import { render } from 'lit-html';
import { createApi } from './api.ts';
import { startApp } from './app.ts';
import { createMemory } from './memory.ts';
import type { Store } from './memory.ts';
import { watchEnd } from './scrolling.ts';
import type { PageEvent, State } from './state.ts';
import { view } from './view/page.ts';
import './style/palette.css';
import './style/page.css';
import './style/forms.css';
import './style/list.css';

const root = element('page');
let focusTurn = 0; // of the latest focus that was given
let frame: number | null = null;

const end = watchEnd(() => send({ type: 'more_wanted', byHand: false }));
const app = startApp({
  api: createApi((input, init) => fetch(input, init), document.baseURI),
  notifications: notificationsUrl(),
  openSocket: (url) => new WebSocket(url),
  timers: {
    now: () => Date.now(),
    after(delayMs, run) {
      const timer = setTimeout(run, delayMs);
      return () => clearTimeout(timer);
    },
    random: () => Math.random(),
  },
  memory: createMemory(
    storage(() => window.sessionStorage),
    storage(() => window.localStorage),
  ),
  draw() {
    frame ??= requestAnimationFrame(draw);
  },
});

window.addEventListener('online', () => app.tryNow());
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') app.tryNow();
});

/** What a person has done. */
function send(event: PageEvent): void {
  app.dispatch(event);
  draw();
}

function draw(): void {
  if (frame !== null) cancelAnimationFrame(frame);
  frame = null;
  const state = app.state();
  const focused = document.activeElement;
  render(view(state, { send, tryNow: () => app.tryNow() }), root);
  showDialog(state);
  const lost = document.activeElement === document.body && focused !== document.body;
  if (lost && focused instanceof HTMLElement && focused.isConnected) {
    focused.focus({ preventScroll: true }); // a row that was moved has lost it
  }
  giveFocus(state);
  const last = document.getElementById('end');
  end.look(last, last?.dataset['next'] ?? null);
}

function giveFocus({ focus }: State): void {
  if (focus.turn === focusTurn) return;
  focusTurn = focus.turn;
  (document.getElementById(focus.target) ?? element('list-heading')).focus();
}

function showDialog({ deletion }: State): void {
  const dialog = element('confirm') as HTMLDialogElement;
  if (deletion !== null && !dialog.open) dialog.showModal();
  if (deletion === null && dialog.open) dialog.close();
}

function notificationsUrl(): URL {
  const url = new URL('notifications', document.baseURI);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url;
}

/** A storage of the browser; null when it does not give one. */
function storage(get: () => Store): Store | null {
  try {
    return get();
  } catch {
    return null; // forbidden by the browser's settings; the page says that nothing is kept
  }
}

function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`The page has no element with the id "${id}".`);
  return found;
}
