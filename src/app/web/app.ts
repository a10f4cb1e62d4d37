// The page without its screen: holds the state, and does what follows from each event. Everything outside (HTTP, socket,
// time, storage) is handed in, so that tests drive it as a browser would.
import { type ClientSocket, type ClientStatus, type ClientTimers, createChannelClient } from 'troupe/client';
import type { Api } from './api.ts';
import { nameIn } from './checks.ts';
import { COUNTDOWN_TICK_MS, RESYNC_SPREAD_MS, TICK_MS } from './limits.ts';
import type { Memory } from './memory.ts';
import { parseEvent } from './messages.ts';
import { parseTold } from './told.ts';
import { openedNote } from './rows.ts';
import type { Outcome } from './model.ts';
import { createReading } from './reading.ts';
import { createSearching } from './searching.ts';
import {
  initialState,
  reduce,
  type ConnectionStatus,
  type Edit,
  type PageEvent,
  type State,
} from './state.ts';

export type AppOptions = {
  api: Api;
  /** The address of the server's WebSocket. */
  notifications: URL;
  openSocket(url: string): ClientSocket;
  timers: ClientTimers;
  memory: Memory;
  /** Called after every change of the state, and once at the start. */
  draw(state: State): void;
};

export type App = {
  state(): State;
  dispatch(event: PageEvent): void;
  /** Tries what waits for a better moment, now: the connection, and a list or a search that failed. */
  tryNow(): void;
  close(): void;
};

/** Starts the page. */
export function startApp(options: AppOptions): App {
  const { api, timers, memory } = options;
  let current = initialState(timers.now(), memory.recall());
  let cancelTick = (): void => {};
  let cancelResync: (() => void) | null = null;
  let changesRead = '';
  let readsChanges = false;
  let socket: ClientSocket | null = null;
  const state = (): State => current;

  const dispatch = (event: PageEvent): void => {
    const before = current;
    current = reduce(current, event);
    if (current === before) return;
    if (!memory.keep(current, before)) current = reduce(current, { type: 'storage_refused' });
    options.draw(current);
    follow(event, before, current);
  };

  const effects = { api, timers, state, dispatch };
  const reading = createReading(effects);
  const searching = createSearching(effects);

  /** Does what follows outside from an event. */
  const follow = (event: PageEvent, before: State, after: State): void => {
    const { notes, deleted } = before.replica;
    if (after.replica.notes !== notes || after.replica.deleted !== deleted) searching.changed();
    readChanges();
    switch (event.type) {
      case 'note_opened':
        if (event.id !== null) void lookAfter(event.id);
        break;
      case 'happening_switched':
        watch();
        break;
      case 'page_read':
        if (before.list.reading === 'all' && after.list.reading === null) lookAfterOldNotes(after);
        break;
      case 'more_wanted':
        if (after.search.order === null) reading.more();
        else searching.more();
        break;
      case 'query_changed':
        searching.typed();
        break;
      case 'connection_changed':
        tick();
        if (event.status.phase === 'online') catchUp(after);
        else if (event.status.phase === 'waiting' && !hasAsked(after)) reading.read(); // HTTP may work all the same
        break;
      case 'draft_submitted':
        if (before.draft.sending === null) add(after);
        break;
      case 'edit_submitted':
        if (before.edits.get(event.id)?.sending === null) save(after.edits.get(event.id));
        break;
      case 'deletion_submitted':
        if (before.deletion?.sending === false) remove(before.deletion.note.id);
        break;
      case 'undo_submitted':
        if (before.undo?.sending === false) restore(before.undo.note.id);
        break;
      default:
    }
  };

  /** Which version of a note the page has. */
  const versionOf = (id: number): string | undefined => current.replica.notes.get(id)?.updatedAt;

  /** Asks for the notes that are being edited, or shown alone, but are older than the list goes back. */
  const lookAfterOldNotes = ({ edits, opened, replica }: State): void => {
    const ids = new Set(edits.keys());
    if (opened !== null) ids.add(opened.id);
    for (const id of ids) if (id < replica.floor) void lookAfter(id); // it may have been restored, too
  };

  const lookAfter = async (id: number): Promise<void> => {
    const { turn } = current.list;
    const known = { asked: current.replica.deletions, version: versionOf(id) };
    const outcome = await api.get(id);
    // A list that was asked for meanwhile may be newer than the answer.
    if (current.list.turn !== turn) {
      if (current.opened?.id === id || current.edits.has(id)) void lookAfter(id);
      return;
    }
    if (outcome.ok) dispatch({ type: 'note_looked_up', id, note: outcome.value, ...known });
    else if (outcome.failure.kind === 'missing')
      dispatch({ type: 'note_looked_up', id, note: null, ...known });
    else dispatch({ type: 'look_up_failed', id, failure: outcome.failure }); // until the next list, or the answer when it is saved
  };

  /** Reads the changes of the opened note, once for each of its versions and one at a time. */
  const readChanges = (): void => {
    const { opened } = current;
    const version = openedNote(current)?.updatedAt;
    if (opened === null || version === undefined) {
      changesRead = '';
      return;
    }
    const key = `${opened.id} ${version}`;
    if (changesRead === key || readsChanges) return;
    changesRead = key;
    readsChanges = true;
    void api.changes(opened.id).then((outcome) => {
      readsChanges = false;
      if (outcome.ok) dispatch({ type: 'changes_read', id: opened.id, changes: outcome.value });
      readChanges(); // of another note, or a later version
    });
  };

  /** Has the server tell what is happening, or no longer. */
  const watch = (): void => {
    if (connection.status.state === 'live') socket?.send(current.happening.open ? 'watch' : 'unwatch');
  };

  /** Reads what is not right already: after a loss, whatever was missed has come. */
  const catchUp = ({ list, search }: State): void => {
    cancelResync?.();
    cancelResync = null;
    if (list.freshness === 'stale') reading.read();
    if (search.freshness === 'stale') searching.search();
  };

  /** Reads everything soon; not all pages at the same moment. */
  const resync = (): void => {
    dispatch({ type: 'doubted' });
    cancelResync ??= timers.after(Math.round(timers.random() * RESYNC_SPREAD_MS), () => catchUp(current));
  };

  /**
   * Waits for the answer to a change of our own. A list that was asked for meanwhile can be newer than the answer, and
   * then there is no telling which of the two is right: so the list is read again.
   */
  const answered = async <T>(
    request: Promise<Outcome<T>>,
    take: (outcome: Outcome<T>) => void,
  ): Promise<void> => {
    const { turn } = current.list;
    take(await request);
    if (current.list.turn !== turn) reading.read();
  };

  const add = ({ draft }: State): void => {
    if (draft.sending === null) return; // something was wrong with it
    void answered(api.create(draft.sending), (outcome) => {
      if (outcome.ok) dispatch({ type: 'draft_saved', note: outcome.value });
      else dispatch({ type: 'draft_failed', failure: outcome.failure });
    });
  };

  /** Saves an edit; as a new note when its own is gone. */
  const save = (edit: Edit | undefined): void => {
    if (edit === undefined || edit.sending === null) return; // nothing to save, or something was wrong with it
    const { id, sending, base, gone } = edit;
    const version = versionOf(id);
    const by = nameIn(current.draft.author);
    const request = gone ? api.create({ ...sending, author: base.author }) : api.update(id, sending, by);
    void answered(request, (outcome) => {
      if (outcome.ok) dispatch({ type: 'edit_saved', id, note: outcome.value });
      else dispatch({ type: 'edit_failed', id, failure: outcome.failure, version });
    });
  };

  const remove = (id: number): void => {
    const version = versionOf(id);
    void answered(api.remove(id), (outcome) => {
      if (outcome.ok) dispatch({ type: 'deletion_done', id, version });
      else dispatch({ type: 'deletion_failed', id, failure: outcome.failure, version });
    });
  };

  const restore = (id: number): void => {
    const asked = current.replica.deletions;
    void answered(api.restore(id, nameIn(current.draft.author)), (outcome) => {
      if (outcome.ok) dispatch({ type: 'undo_done', note: outcome.value, asked });
      else dispatch({ type: 'undo_failed', id, failure: outcome.failure });
    });
  };

  const tick = (): void => {
    cancelTick();
    cancelTick = timers.after(current.connection.phase === 'waiting' ? COUNTDOWN_TICK_MS : TICK_MS, tick);
    dispatch({ type: 'ticked', now: timers.now() });
  };

  options.draw(current);
  tick();
  const connection = createChannelClient({
    url: options.notifications,
    open: (url) => (socket = options.openSocket(url)),
    timers,
  });
  connection.onStatus((status) => {
    if (status.state === 'closed') return;
    moved();
    if (status.state === 'live' && current.happening.open) watch();
    const next = connectionOf(status);
    if (!isSame(next, current.connection)) dispatch({ type: 'connection_changed', status: next });
  });
  const moved = (): void =>
    dispatch({
      type: 'client_moved',
      client: connection.status.state,
      position: connection.position ?? null,
    });
  connection.onReset(() => dispatch({ type: 'doubted' })); // read when it is live, which follows
  connection.onAny((payload, { topic, id }) => {
    const told = parseTold(topic, payload);
    if (told !== undefined) return dispatch({ type: 'happening_told', told, now: timers.now() });
    if (current.happening.open) moved();
    const message = parseEvent(topic, payload, id !== undefined);
    if (message === 'malformed' || message === 'resync') resync();
    else if (message !== 'unknown') dispatch(message);
  });

  return {
    state,
    dispatch,
    tryNow() {
      connection.wake();
      const { list, search, opened } = current;
      if (opened !== null && opened.failure !== null) void lookAfter(opened.id);
      if (list.failure !== null && list.reading === null) reading.read();
      if (search.failure !== null && !search.pending) searching.search();
    },
    close() {
      cancelTick();
      cancelResync?.();
      reading.close();
      searching.close();
      connection.close();
    },
  };
}

function hasAsked({ list }: State): boolean {
  return list.phase === 'ready' || list.reading !== null || list.failure !== null;
}

/** What the page shows of the connection's status: it counts as online when all that was missed has come. */
function connectionOf({ state, retryAt, attempt }: ClientStatus): ConnectionStatus {
  if (state === 'live') return { phase: 'online' };
  return retryAt === undefined ? { phase: 'connecting' } : { phase: 'waiting', retryAt, attempt };
}

function isSame(a: ConnectionStatus, b: ConnectionStatus): boolean {
  if (a.phase !== 'waiting' || b.phase !== 'waiting') return a.phase === b.phase;
  return a.retryAt === b.retryAt && a.attempt === b.attempt;
}
