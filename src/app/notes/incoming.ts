// Checks what arrives on the channel `notes`: any node may send anything, by mistake, with an older version, or on purpose. Events
// of this node are checked, too: code beside the service may send them, such as the REPL or a plugin.
//
// - Only the known fields of a note are taken, and only when each has a value that a note of this service can have: nothing
//   else reaches a client.
// - An event of an instance that keeps other notes is left out: here its ids mean other notes.
// - A note with other fields for its times, or none, is looked up first; see `lookups.ts`.
// - A message is checked once, however many processes of this node get it.
// - What is left out is counted, and logged seldom (see `Recurring` of troupe/log); clients are then told to read everything again, at most
//   every ten seconds.
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import type { Broadcast } from 'troupe';
import { Recurring } from 'troupe/log';
import { Lookups, type LookupOptions } from './lookups.ts';
import { Note } from './note.ts';
import { readToldNote, toldTexts } from './told-note.ts';

/** A change of a note, or the advice to read everything again: changes may have been missed. */
export type NoteEvent = {
  /** Its position as text; undefined for one that was not stored. */ readonly id?: string | undefined;
} & (
  | { readonly topic: 'note_created' | 'note_updated'; readonly payload: Note }
  | { readonly topic: 'note_deleted'; readonly payload: { readonly id: number } }
  | { readonly topic: 'resync'; readonly payload: Readonly<Record<string, never>> }
);

/** A broadcast that was left out. */
export interface LeftOut {
  readonly peer: string;
  readonly topic: string;
  readonly problem: string;
  /** How many have been left out since the last report, this one included. */
  readonly count: number;
}

/** What decides about events. */
export interface IncomingOptions extends LookupOptions {
  /** The name of this node. */
  readonly node: string;
  /** True for a node whose notes are not those of this one. */
  readonly isStranger: (node: string) => boolean;
  readonly onLeftOut: (what: LeftOut) => void;
}

const TOPIC_SHOWN_MAX = 100;
/** The shortest time between two readings of all notes because something was left out. */
const MISSED_MS = 10_000;

/** Times are compared as texts, so they must have one form. */
const TIME = '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$';
const ForeignNote = Type.Object({
  id: Note.properties.id,
  ...toldTexts,
  createdAt: Type.String({ pattern: TIME }),
  updatedAt: Type.String({ pattern: TIME }),
  updatedBy: Type.Optional(toldTexts.author),
});
const ForeignDeletion = Type.Object({ id: Note.properties.id });

/** The events of one instance. */
export class IncomingEvents {
  readonly #options: IncomingOptions;
  readonly #seen = new WeakMap<Broadcast, NoteEvent | 'left out'>();
  readonly #leftOut = new Recurring();
  readonly #lookups: Lookups;
  #missedAt = -Infinity;
  #missing: NodeJS.Timeout | undefined = undefined;

  constructor(options: IncomingOptions) {
    this.#options = options;
    this.#lookups = new Lookups({ ...options, onMissed: () => this.#missed() });
  }

  /** The event of a message of the channel; undefined when it is left out. */
  read(message: Broadcast): NoteEvent | undefined {
    let event = this.#seen.get(message);
    if (event === undefined) {
      event = this.#check(message);
      if (event !== 'left out' && message.id !== undefined) event = { ...event, id: message.id };
      this.#seen.set(message, event);
    }
    return event === 'left out' ? undefined : event;
  }

  #check(message: Broadcast): NoteEvent | 'left out' {
    const { node: peer } = message.sender;
    const own = peer === this.#options.node;
    if (own && message.topic === 'resync') return RESYNC;
    if (!own && this.#options.isStranger(peer))
      return this.#leaveOut(message, 'the node keeps notes of its own');
    const event = eventOf(message);
    if (typeof event !== 'string') {
      if (event.topic !== 'resync') this.#lookups.forget(event.payload.id);
      return event;
    }
    const { topic, payload } = message;
    if (topic === 'note_created' || topic === 'note_updated') {
      const note = readToldNote(payload, topic, new Date());
      if (note !== undefined) {
        this.#lookups.start(message.sender, topic, note);
        return 'left out';
      }
    }
    this.#missed();
    return this.#leaveOut(message, event);
  }

  /** Has all notes read again: now, or once the last time is long enough ago. */
  #missed(): void {
    const wait = this.#missedAt + MISSED_MS - performance.now();
    if (wait <= 0) {
      this.#missedAt = performance.now();
      this.#options.onMissed();
    } else if (this.#missing === undefined) {
      this.#missing = setTimeout(() => {
        this.#missing = undefined;
        this.#missed();
      }, wait).unref();
    }
  }

  #leaveOut({ sender, topic: given }: Broadcast, problem: string): 'left out' {
    const peer = sender.node;
    const count = this.#leftOut.due(peer);
    if (count !== undefined) this.#options.onLeftOut({ peer, topic: textOf(given), problem, count });
    return 'left out';
  }
}

/** Another node may have sent a topic that is not a text. */
function textOf(topic: unknown): string {
  return typeof topic === 'string' ? topic.slice(0, TOPIC_SHOWN_MAX) : 'no text';
}

const RESYNC: NoteEvent = { topic: 'resync', payload: {} };

/** The event, or what is wrong with it. `resync` is not accepted from other nodes: each instance decides for itself. */
function eventOf({ topic, payload }: Broadcast): NoteEvent | string {
  switch (topic) {
    case 'note_created':
    case 'note_updated':
      if (!Value.Check(ForeignNote, payload)) return problemOf(ForeignNote, payload);
      return { topic, payload: pick(payload) };
    case 'note_deleted':
      if (!Value.Check(ForeignDeletion, payload)) return problemOf(ForeignDeletion, payload);
      return { topic, payload: { id: payload.id } };
    default:
      return 'there is no such topic here';
  }
}

function pick({ id, title, body, author, createdAt, updatedAt, updatedBy }: Note): Note {
  return { id, title, body, author, createdAt, updatedAt, ...(updatedBy !== undefined && { updatedBy }) };
}

/** Which field is wrong; not its value, which may be anything. */
function problemOf(schema: typeof ForeignNote | typeof ForeignDeletion, payload: unknown): string {
  const names = Object.keys(schema.properties);
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload))
    return `the payload is no map with the keys ${names.join(', ')}`;
  const fields = new Map<string, unknown>(Object.entries(payload));
  const wrong = Object.entries(schema.properties).filter(
    ([name, property]) =>
      !Value.Check(property, fields.get(name)) && !(Type.IsOptional(property) && !fields.has(name)),
  );
  return `these keys of the payload are missing or no value of a note: ${wrong.map(([name]) => name).join(', ')}`;
}
