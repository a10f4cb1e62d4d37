// The page in a browser: hands the browser's parts to the application, draws what it says, and does what a template cannot: give the
// focus, open dialogs, follow the address and the keys, and keep the focus where it was when rows move. What a
// person does is drawn at once, for the focus and the keyboard of a phone have to follow in the same turn; everything
// else once for each frame, however many events it holds, and not at all while the page is not seen.
import { render } from 'lit-html';
import { createApi } from './api.ts';
import { startApp } from './app.ts';
import { fragmentOf, noteIn } from './address.ts';
import { type Action, actionOf } from './keys.ts';
import { createMemory, type Store } from './memory.ts';
import { watchEnd } from './scrolling.ts';
import { openedNote, rowsOf } from './rows.ts';
import type { PageEvent, State } from './state.ts';
import { view } from './view/page.ts';
import './style/palette.css';
import './style/page.css';
import './style/forms.css';
import './style/list.css';
import './style/happening.css';

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

window.addEventListener('hashchange', openAddress);
document.addEventListener('keydown', press);
openAddress();
window.addEventListener('online', () => app.tryNow());
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') app.tryNow();
});

/** Shows the note that the address names, or the list. */
function openAddress(): void {
  send({ type: 'note_opened', id: noteIn(window.location.hash) });
}

function press(event: KeyboardEvent): void {
  const { target } = event;
  const typing =
    !(target instanceof HTMLElement) ||
    target.closest('input, textarea, select, [contenteditable], dialog[open]') !== null ||
    document.querySelector('dialog[open]') !== null;
  const action = actionOf(event, typing);
  if (action === null || !app.state().shortcuts) return;
  const done = act(action, Number((target as HTMLElement).closest<HTMLElement>('[data-id]')?.dataset['id']));
  if (done) event.preventDefault();
}

/** Does what a key is pressed for. @param id the note that has the focus; the opened one counts as well. @returns whether there was something to do */
function act(action: Action, id: number): boolean {
  const { opened, undo, happening } = app.state();
  const row = rowsOf(app.state()).find((each) => each.id === (opened?.id ?? id));
  switch (action) {
    case 'write':
      if (opened !== null) send({ type: 'note_opened', id: null }); // the form may be hidden beside one note
      send({ type: 'focus_wanted', target: 'new-title' });
      return true;
    case 'search':
      send({ type: 'focus_wanted', target: 'search' });
      return true;
    case 'next':
    case 'previous':
      send({ type: 'row_stepped', from: row?.id ?? null, by: action === 'next' ? 1 : -1 });
      return true;
    case 'open':
      if (row !== undefined) send({ type: 'note_opened', id: row.id });
      return row !== undefined;
    case 'edit':
      if (row !== undefined) send({ type: 'edit_started', note: row.note });
      return row !== undefined;
    case 'delete':
      if (row !== undefined) send({ type: 'deletion_asked', note: row.note });
      return row !== undefined;
    case 'undo':
      if (undo !== null) send({ type: 'undo_submitted' });
      return undo !== null;
    case 'happening':
      send({ type: 'happening_switched', open: !happening.open });
      return true;
    case 'help':
      send({ type: 'help_switched', open: true });
      return true;
    case 'close':
      if (opened !== null) send({ type: 'note_opened', id: null });
      return opened !== null;
  }
}

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
  showDialog('confirm', state.deletion !== null);
  showDialog('help', state.help);
  showAddress(state);
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

function showDialog(id: string, open: boolean): void {
  const dialog = element(id) as HTMLDialogElement;
  if (open && !dialog.open) dialog.showModal();
  if (!open && dialog.open) dialog.close();
}

/** Has the address and the title of the window follow what is shown. */
function showAddress(state: State): void {
  const id = state.opened?.id ?? null;
  if (id !== noteIn(window.location.hash)) window.history.pushState(null, '', fragmentOf(id));
  const title = openedNote(state)?.title;
  document.title = title === undefined ? 'Notes' : `${title} – Notes`;
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
