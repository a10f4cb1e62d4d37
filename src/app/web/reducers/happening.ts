// What the server tells of the processes behind the page, while the panel is open; nothing is kept once it is closed.
import { MESSAGES_MAX } from '../limits.ts';
import type { Happening, Handlers } from '../state.ts';

/** Nothing is watched. */
export const notWatched: Happening = {
  open: false,
  own: null,
  observer: false,
  members: null,
  messages: [],
  client: 'connecting',
  position: null,
};

export const happeningHandlers: Handlers<'happening_switched' | 'happening_told' | 'client_moved'> = {
  happening_switched(state, { open }) {
    const { client, position } = state.happening;
    return open === state.happening.open
      ? state
      : { ...state, happening: { ...notWatched, open, client, position } };
  },

  happening_told(state, { told, now }) {
    const { happening } = state;
    if (!happening.open) return state; // on its way when the panel was closed
    switch (told.kind) {
      case 'connection':
        return { ...state, happening: { ...happening, own: told.own, observer: told.observer } };
      case 'members':
        return { ...state, happening: { ...happening, members: told.members } };
      case 'message': {
        const number = (happening.messages[0]?.number ?? 0) + 1;
        const messages = [{ ...told.message, number, at: now }, ...happening.messages].slice(0, MESSAGES_MAX);
        return { ...state, happening: { ...happening, messages } };
      }
    }
  },

  client_moved(state, { client, position }) {
    const { happening } = state;
    if (happening.client === client && happening.position === position) return state;
    // A connection that is lost takes its process with it.
    const lost = client === 'connecting' ? { own: null, observer: false, members: null } : {};
    return { ...state, happening: { ...happening, ...lost, client, position } };
  },
};
