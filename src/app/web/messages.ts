// What the server says on the socket: {"event": topic, "data": payload}. A topic that this page does not know is passed
// over, so that an older page lives with a newer server; what is no such message at all is malformed. `resync` is the
// server's word that it may have missed changes: it has caught up, and whoever shows notes has to.
import { isNote } from './model.ts';
import type { PageEvent } from './state.ts';

export type Message = PageEvent<'note_created' | 'note_updated' | 'note_deleted'>;

/** The event in a text frame. */
export function parseMessage(text: string): Message | 'resync' | 'unknown' | 'malformed' {
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null || !('event' in value) || !('data' in value))
    return 'malformed';
  const { event, data } = value;
  switch (event) {
    case 'note_created':
    case 'note_updated':
      return isNote(data) ? { type: event, note: data } : 'malformed';
    case 'note_deleted':
      return hasId(data) ? { type: event, id: data.id } : 'malformed';
    case 'resync':
      return 'resync';
    default:
      return typeof event === 'string' ? 'unknown' : 'malformed';
  }
}

function hasId(data: unknown): data is { id: number } {
  return typeof data === 'object' && data !== null && 'id' in data && typeof data.id === 'number';
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // no JSON text stands for this, so it is told apart
  }
}
