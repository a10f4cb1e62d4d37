// Looks up notes that others broadcast incompletely: they are read from the database by id, and broadcast on this instance as stored. A
// note that is not there, or cannot be read, is broadcast as it arrived.
//
// - A BEAM node sends each process that follows the channel a message of its own: repeating the same about a note counts once. That
//   is remembered for the last `TOLD_MAX` notes.
// - A later event of the same note, its deletion above all, wins: the lookup is dropped.
// - At most `READING_MAX` are read at a time. For further ones, and for those that cannot be read, clients are told to read everything
//   again.
import { createHash } from 'node:crypto';
import type { Pid } from 'troupe';
import type { Note } from './note.ts';

const READING_MAX = 100;
const TOLD_MAX = 1_000;

/** The topics whose notes are looked up. */
export type NoteTopic = 'note_created' | 'note_updated';

export interface LookupOptions {
  readonly get: (id: number) => Promise<Note | undefined>;
  /** Broadcasts on this instance. */
  readonly tell: (topic: NoteTopic, note: Note) => void;
  /** Called when an event was lost. */
  readonly onMissed: () => void;
}

/** The notes that are being read. */
export class Lookups {
  readonly #options: LookupOptions;
  /** By id; a later event of the note replaces the object. */
  readonly #reading = new Map<number, object>();
  /** The last message of each sender about a note, the oldest first. */
  readonly #told = new Map<string, string>();

  constructor(options: LookupOptions) {
    this.#options = options;
  }

  /** Reads a note and broadcasts it. */
  start(sender: Pid, topic: NoteTopic, note: Note): void {
    const { onMissed } = this.#options;
    if (this.#isTold(sender, topic, note)) return;
    if (this.#reading.size >= READING_MAX && !this.#reading.has(note.id)) return onMissed();
    const mark = {};
    this.#reading.set(note.id, mark);
    void this.#read(topic, note, mark);
  }

  #isTold(sender: Pid, topic: NoteTopic, { id, title, body, author }: Note): boolean {
    const key = `${id} ${sender.key}`;
    const said = createHash('sha256')
      .update(JSON.stringify([topic, title, body, author]))
      .digest('base64');
    if (this.#told.get(key) === said) return true;
    this.#told.delete(key);
    this.#told.set(key, said);
    if (this.#told.size > TOLD_MAX) this.#told.delete(this.#told.keys().next().value as string);
    return false;
  }

  /** Call it for a later event of the note. */
  forget(id: number): void {
    this.#reading.delete(id);
  }

  async #read(topic: NoteTopic, note: Note, mark: object): Promise<void> {
    const { get, tell, onMissed } = this.#options;
    const isLatest = (): boolean => this.#reading.get(note.id) === mark;
    let stored: Note | undefined;
    try {
      stored = await get(note.id);
    } catch {
      // The database is away, which its own events report: what is broadcast now may differ from what is stored.
      if (isLatest()) onMissed();
    }
    if (!isLatest()) return;
    this.#reading.delete(note.id);
    tell(topic, stored ?? note);
  }
}
