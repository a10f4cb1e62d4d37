// What an event of the server means to the page. A topic that this page does not know is passed over, so that an older page
// lives with a newer server; a payload that does not fit its topic is malformed. `resync` is the server's word that it may have
// missed changes: it has caught up, and every page that shows notes has to.
import { isNote } from './model.ts';
import type { PageEvent } from './state.ts';

export type Message = PageEvent<'note_created' | 'note_updated' | 'note_deleted'>;

/** The event of a topic with its payload. @param stored whether it has a position, and so comes in order */
export function parseEvent(
  topic: string,
  payload: unknown,
  stored: boolean,
): Message | 'resync' | 'unknown' | 'malformed' {
  switch (topic) {
    case 'note_created':
    case 'note_updated':
      return isNote(payload) ? { type: topic, note: payload, stored } : 'malformed';
    case 'note_deleted':
      return hasId(payload) ? { type: topic, id: payload.id } : 'malformed';
    case 'resync':
      return 'resync';
    default:
      return 'unknown';
  }
}

function hasId(payload: unknown): payload is { id: number } {
  return typeof payload === 'object' && payload !== null && 'id' in payload && typeof payload.id === 'number';
}
