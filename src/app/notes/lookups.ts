// Notes that others told without all that belongs to one are read from the database by their ids, and told on this instance as
// they are there; one that is not there, or cannot be read, is told as it was told to us.
//
// - From a BEAM node each process that follows the channel gets a message of its own: what a sender says of a note counts once, until it
//   says something else of it. That is known of the last `TOLD_MAX` notes.
// - What is told afterwards of the same note, its deletion above all, counts: the reading is forgotten.
// - At most `READING_MAX` are read at a time. Of what is more, and of what cannot be read, whoever shows notes is told to read all again.
import { createHash } from 'node:crypto';
import type { Pid } from 'troupe';
import type { Note } from './note.ts';

const READING_MAX = 100;
const TOLD_MAX = 1_000;

/** What is told of a note. */
export type NoteTopic = 'note_created' | 'note_updated';

export interface LookupOptions {
  readonly get: (id: number) => Promise<Note | undefined>;
  /** Tells all who follow the notes on this instance. */
  readonly tell: (topic: NoteTopic, note: Note) => void;
  /** Something was not told. */
  readonly onMissed: () => void;
}

/** The notes that are being read. */
export class Lookups {
  readonly #options: LookupOptions;
  /** By id; another object once something later was told of the note. */
  readonly #reading = new Map<number, object>();
  /** What a sender has said of a note last, the oldest first. */
  readonly #told = new Map<string, string>();

  constructor(options: LookupOptions) {
    this.#options = options;
  }

  /** Reads a note, and tells of it. */
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

  /** Something else was told of a note. */
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
      // The database is away, which its own events tell: what is told now may not be what is there.
      if (isLatest()) onMissed();
    }
    if (!isLatest()) return;
    this.#reading.delete(note.id);
    tell(topic, stored ?? note);
  }
}
