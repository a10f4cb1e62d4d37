// Every sentence that the page composes, so that what is shown and what a screen reader is told stay the same words.
// A sentence about a failure says what happened, what became of the typed text, and what to do.
import type { Problem } from './checks.ts';
import { FIELD_MAX } from './limits.ts';
import type { Failure, Field, Note } from './model.ts';

/** What was being done when a request failed. */
export type Deed = 'add' | 'save' | 'delete' | 'undo' | 'search' | 'more';

const QUOTED_MAX = 60;

export const sentences = {
  connectionLost: 'Connection lost. Trying again.',
  connectedAgain: 'Connected again. The list is up to date.',
  restored: (note: Note): string => `Restored ${quoted(note)}.`,
  restoredElsewhere: (note: Note): string => `${quoted(note)} was restored.`,
  undoFailed: (failure: Failure): string =>
    failure.kind === 'missing'
      ? 'The note is gone for good: it was deleted too long ago.'
      : failedTo('undo', failure),
  createdElsewhere: (note: Note): string => `${note.author} added ${quoted(note)}.`,
  updatedElsewhere: (note: Note): string =>
    note.updatedBy === undefined
      ? `${quoted(note)} was changed elsewhere.`
      : `${note.updatedBy} changed ${quoted(note)}.`,
  deletedElsewhere: (note: Note, edited: boolean): string =>
    `${quoted(note)} was deleted elsewhere.${edited ? ' The text that you were editing is kept.' : ''}`,
  added: (note: Note): string => `Added ${quoted(note)}.`,
  saved: (note: Note): string => `Saved ${quoted(note)}.`,
  deleted: 'Note deleted. It can be undone.',
  deletedAlready: 'That note had been deleted already.',
  setAside: 'Changes set aside. They are kept with the note.',
  discarded: 'Changes discarded.',
  decideFirst: 'This note was changed elsewhere. Choose whose version to go on with, then save.',
  editGone: 'This note was deleted elsewhere. Your text is kept.',
  found: (count: number, more: boolean): string =>
    count === 0 ? 'Nothing found.' : `${counted(count)} found${more ? ', and there are more' : ''}.`,
  more: (count: number): string => `${counted(count)} more.`,
  olderUnlisted: 'Older notes are not listed; the search finds them.',
  moreUnlisted: 'More notes match than can be shown. Another word in the search leaves fewer.',
  indexing: 'Older notes are still being indexed, so some may be missing here.',
  problem: problemSentence,
  failed: failedTo,
  noteFailed: (failure: Failure): string =>
    `${whatHappened(failure)} The note could not be read. ${again(failure)}`,
  listFailed: (failure: Failure, phase: 'unread' | 'ready'): string =>
    `${whatHappened(failure)} ${phase === 'unread' ? 'The notes could not be read' : 'The list may be out of date'}; the page tries again by itself.`,
};

function failedTo(deed: Deed, failure: Failure): string {
  return `${whatHappened(failure)} ${whatToDo(deed, failure)}`;
}

/** "1 note", "2 notes". */
export function counted(count: number): string {
  if (count === 0) return 'No notes';
  return count === 1 ? '1 note' : `${count} notes`;
}

/** The title in quotation marks, cut to what can be listened to. */
function quoted(note: Note): string {
  const title = note.title.length > QUOTED_MAX ? `${note.title.slice(0, QUOTED_MAX).trimEnd()}…` : note.title;
  return `“${title}”`;
}

const fieldNames: Record<Field, string> = { title: 'The title', body: 'The text', author: 'Your name' };

function problemSentence({ field, kind, length }: Problem): string {
  const name = fieldNames[field];
  if (kind === 'missing') return `${name} is missing.`;
  const max = FIELD_MAX[field];
  return `${name} has ${length} characters. Only ${max} fit: shorten it by ${length - max}.`;
}

function whatHappened(failure: Failure): string {
  switch (failure.kind) {
    case 'unreachable':
      return 'The server did not answer.';
    case 'unavailable':
      return `The server cannot do this now: ${unstopped(failure.reason)}.`;
    case 'refused':
      return `The server refused it: ${unstopped(failure.reason)}.`;
    case 'missing':
      return 'The server does not know this note any more.';
    case 'broken':
      return `The server failed: ${unstopped(failure.detail)}.`;
  }
}

function whatToDo(deed: Deed, failure: Failure): string {
  if (deed === 'search') {
    return failure.kind === 'refused'
      ? 'The notes below may not match. Change the search.'
      : 'The notes below may not match; the page tries again by itself.';
  }
  if (deed === 'more') {
    return failure.kind === 'unreachable'
      ? 'No more notes could be read. Try again when the connection is back.'
      : `No more notes could be read. ${again(failure)}`;
  }
  if (deed === 'delete') {
    return failure.kind === 'unreachable'
      ? 'The note may or may not be deleted. Try again when the connection is back.'
      : `The note is still there. ${again(failure)}`;
  }
  if (deed === 'undo') return `The note has not been restored. ${again(failure)}`;
  if (failure.kind === 'unreachable' && deed === 'add') {
    return 'Your text is kept. Look whether the note has appeared in the list before you add it again.';
  }
  return `Your text is kept. ${again(failure)}`;
}

function again(failure: Failure): string {
  switch (failure.kind) {
    case 'unreachable':
      return 'Try again when the connection is back.';
    case 'unavailable': {
      const seconds = failure.retryAfterSeconds;
      if (seconds === null) return 'Try again in a moment.';
      return `Try again in ${seconds === 1 ? '1 second' : `${seconds} seconds`}.`;
    }
    case 'refused':
      return 'Change it and try again.';
    case 'missing':
    case 'broken':
      return 'Try again; if it goes on, tell whoever runs the server.';
  }
}

function unstopped(text: string): string {
  return text.replace(/[.!]+$/, '');
}
