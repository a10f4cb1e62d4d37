// Writers over HTTP, and what they know: each change that was answered has to be in the table. One that was not answered, or with an
// error of the server, may be there or not: the table decides.
import { setTimeout as pause } from 'node:timers/promises';
import type { Dice } from '../fuzz/dice.ts';

/** A change that was answered. */
export interface Answered {
  readonly topic: 'note_created' | 'note_updated' | 'note_deleted';
  readonly id: number;
  /** Its own for each change; empty for a deletion. */
  readonly title: string;
}

const REQUEST_LIMIT_MS = 20_000;
const NOTES_MAX = 20;
const PAUSE_MS = 100;

export class Writer {
  readonly answered: Answered[] = [];
  unanswered = 0;
  readonly #name: string;
  readonly #ports: readonly number[];
  readonly #dice: Dice;
  readonly #own: number[] = [];
  #count = 0;

  constructor(name: string, ports: readonly number[], dice: Dice) {
    this.#name = name;
    this.#ports = ports;
    this.#dice = dice;
  }

  /** Changes notes until it is enough. */
  async write(isEnough: () => boolean): Promise<void> {
    while (!isEnough()) {
      if (!(await this.#change())) await pause(PAUSE_MS);
    }
  }

  /** @returns whether there was an answer */
  async #change(): Promise<boolean> {
    const title = `${this.#name} ${(this.#count += 1)}`;
    const kind = this.#dice.below(10);
    const id = this.#dice.pick(this.#own);
    if (id !== undefined && (kind === 9 || this.#own.length > NOTES_MAX)) {
      this.#own.splice(this.#own.indexOf(id), 1);
      const deleted = await this.#ask('DELETE', `/${id}`);
      if (deleted?.status === 204) this.answered.push({ topic: 'note_deleted', id, title: '' });
      return deleted !== undefined;
    }
    if (id !== undefined && kind > 1) {
      const updated = await this.#ask('PUT', `/${id}`, { title, body: 'changed' });
      if (updated?.status === 200) this.answered.push({ topic: 'note_updated', id, title });
      return updated !== undefined;
    }
    const created = await this.#ask('POST', '', { title, body: 'made', author: 'torture' });
    if (created?.status !== 201) return created !== undefined;
    const note = JSON.parse(created.text) as { id: number };
    this.#own.push(note.id);
    this.answered.push({ topic: 'note_created', id: note.id, title });
    return true;
  }

  /** Undefined when there was no answer, or one that says that it may or may not have happened. */
  async #ask(
    method: string,
    path: string,
    json?: object,
  ): Promise<{ status: number; text: string } | undefined> {
    try {
      const answer = await fetch(`http://127.0.0.1:${this.#dice.pick(this.#ports)}/api/notes${path}`, {
        method,
        signal: AbortSignal.timeout(REQUEST_LIMIT_MS),
        ...(json !== undefined && {
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(json),
        }),
      });
      const text = await answer.text();
      if (answer.status < 500) return { status: answer.status, text };
    } catch {
      // counted below: nobody knows whether it was stored
    }
    this.unanswered += 1;
    return undefined;
  }
}
