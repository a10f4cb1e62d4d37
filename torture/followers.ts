// Clients that follow the notes, each on an instance that chance names at every attempt, and what they have seen.
//
// A follower checks as it goes: after the position that it has, the next event is the next number. What an event said is kept as a digest,
// and compared with the table at the end.
import { WebSocket } from 'ws';
import { type ChannelClient, type ClientLimits, createChannelClient } from 'troupe/client';
import type { Dice } from '../fuzz/dice.ts';

/** What went wrong for one client. */
interface Counts {
  lost: number;
  twice: number;
  disordered: number;
  changed: number;
}

/** Comes back sooner than a client should, so that more happens. */
const IMPATIENT: Partial<ClientLimits> = { delayBaseMs: 50, delayCapMs: 1_000 };

const noFaults = (): Counts => ({ lost: 0, twice: 0, disordered: 0, changed: 0 });

/** A note, or the id of one that was deleted: what it says, as a number. */
export function digestOf(topic: string, payload: unknown): number {
  const { id, title, body, author, updatedAt } = payload as Record<string, unknown>;
  let hash = 0x811c_9dc5;
  for (const character of JSON.stringify([topic, id, title, body, author, updatedAt]))
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x0100_0193);
  return hash >>> 0;
}

/** One client over its whole life, with its losses and its absences. */
export class Follower {
  readonly counts = noFaults();
  readonly name: string;
  /** Digests by position. */
  readonly seen = new Map<number, number>();
  events = 0;
  resets = 0;
  /** Events that a reset stood for. */
  skipped = 0;
  losses = 0;
  /** How often the server has closed it for being slow. */
  closed = 0;
  readonly #ports: readonly number[];
  readonly #dice: Dice;
  #client: ChannelClient<object> | undefined;
  #socket: WebSocket | undefined;
  #epoch: string | undefined;
  #position = 0;
  #since: string | undefined;
  /** Called at each attempt to connect, and with the delay that the server has named when a connection ends. */
  onAttempt = (): void => undefined;
  onClosed = (_advisedMs: number | undefined): void => undefined;
  /** Called for what comes without a position. */
  onUnplaced = (): void => undefined;
  #resetting = false;
  /** The id of the note that was created last. */
  #lastCreated = 0;

  readonly #limits: Partial<ClientLimits>;

  constructor(name: string, ports: readonly number[], dice: Dice, limits: Partial<ClientLimits> = IMPATIENT) {
    this.#limits = limits;
    this.name = name;
    this.#ports = ports;
    this.#dice = dice;
  }

  get position(): number {
    return this.#position;
  }

  get isLive(): boolean {
    return this.#client?.status.state === 'live';
  }

  /** Whether it has seen that this note was created. */
  hasSeen(noteId: number): boolean {
    return this.#lastCreated === noteId;
  }

  /** Comes, or comes back to where it was. */
  come(): void {
    if (this.#client !== undefined) return;
    const client = createChannelClient({
      url: 'ws://127.0.0.1/notifications',
      since: this.#since,
      open: (url) => {
        const address = new URL(url);
        address.port = String(this.#dice.pick(this.#ports));
        this.onAttempt();
        this.#socket = new WebSocket(address, { perMessageDeflate: false });
        this.#socket.on('close', (code, reason) => {
          if (code === 1013) this.closed += 1;
          const [, advised] = /; retry=(\d+)$/.exec(reason.toString()) ?? [];
          this.onClosed(advised === undefined ? undefined : Number(advised));
        });
        return this.#socket;
      },
      limits: this.#limits,
    });
    client.onAny((payload, { topic, id }) => this.#take(topic, payload, id));
    client.onReset(() => {
      this.resets += 1;
      this.#resetting = true;
      this.#begin(client.position);
    });
    client.onStatus(({ state }) => {
      if (state === 'live') this.#live(client.position);
    });
    this.#client = client;
  }

  /** Leaves, and remembers where it was. */
  leave(): void {
    if (this.#client === undefined) return;
    this.#since = this.#client.position;
    this.#client.close();
    this.#client = undefined;
  }

  /** Loses its connection without a word. */
  drop(): void {
    this.losses += 1;
    this.#socket?.terminate();
  }

  /** Reads nothing more from its connection. @returns what lets it read on */
  stopReading(): () => void {
    const socket = this.#socket;
    socket?.pause();
    return () => socket?.resume();
  }

  /** What it has of each position that it should have is what the table has. */
  compare(table: ReadonlyMap<number, number>): void {
    for (const [position, digest] of this.seen) if (table.get(position) !== digest) this.counts.changed += 1;
  }

  #take(topic: string, payload: unknown, id: string | undefined): void {
    if (id === undefined) return this.onUnplaced();
    const [epoch = '', digits] = id.split(':');
    const position = Number(digits);
    if (epoch !== this.#epoch) {
      this.counts.changed += 1; // another history, without a reset
      return;
    }
    this.events += 1;
    if (this.seen.has(position)) this.counts.twice += 1;
    else if (position <= this.#position) this.counts.disordered += 1;
    else this.counts.lost += position - this.#position - 1;
    if (topic === 'note_created') this.#lastCreated = (payload as { id: number }).id;
    this.seen.set(position, digestOf(topic, payload));
    this.#position = Math.max(this.#position, position);
  }

  /** A client that is live has everything up to the position that it is told. */
  #live(id: string | undefined): void {
    if (this.#epoch === undefined || this.#resetting) this.#begin(id);
    this.#resetting = false;
    const position = Number(id?.split(':')[1]);
    if (position > this.#position) {
      this.counts.lost += position - this.#position;
      this.#position = position;
    }
  }

  #begin(id: string | undefined): void {
    const [epoch, digits] = id?.split(':') ?? [];
    if (this.#epoch !== undefined) this.skipped += Math.max(0, Number(digits) - this.#position);
    this.#epoch = epoch;
    this.#position = Number(digits);
  }
}
