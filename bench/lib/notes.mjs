/** The channel of notes, as Erlang code knows it, and what is broadcast on it. */
import { defineChannel } from '../../dist/runtime/index.js';

export const notes = defineChannel('notes', { atomKeys: ['id', 'title', 'body', 'author'] });
export const note = { id: 1, title: 'title', body: 'body', author: 'author' };
