// What a client sees of the processes behind its connection, in the panel of the page: the connection's own process, the members of the
// channel on each node, and each broadcast as the process received it.
//
// - Only clients that ask with the text frame `watch` get it, until `unwatch`; for others nothing is counted or sent.
// - The members are listed at most once a second for all watchers together, and sent when they differ. Nodes and pids are bounded; the
//   counts are whole.
// - At most `WATCHERS_MAX` connections of an instance watch; further ones see only their own process.
// - Names of nodes and pids tell about the machines behind a service. Where strangers may connect, nothing is shown (see `WATCH`).
import { type Broadcast, type Node, type Pid, type Process } from 'troupe';
import { encodeOnce, type OutgoingFrame, text } from 'troupe/fastify';
import { notes } from '../notes/channel.ts';
import type { NoteEvent } from '../notes/incoming.ts';

/** Connections of an instance that watch at the same time, at most. */
export const WATCHERS_MAX = 100;
/** Nodes and members of each that are named, at most; all are counted. */
export const namedMax = { nodes: 20, pids: 12 } as const;
/** How often a watcher looks whether the members have changed. */
const LOOK_MS = 1_000;
/** Characters of a title in a message. */
const TITLE_MAX = 80;

/** The message by which a watching connection looks again. */
export const LOOK = Symbol('look at the members');

/** The frames for the watchers of one instance. */
export class Watch {
  readonly #node: Node;
  /** False where nothing may be shown. */
  readonly #isOpen: boolean;
  readonly #watchers = new Map<string, Pid>();
  #members: { readonly at: number; readonly text: string; readonly frame: OutgoingFrame } | undefined;

  constructor(node: Node, isOpen: boolean) {
    this.#node = node;
    this.#isOpen = isOpen;
  }

  /**
   * The process behind a connection; a refusal where nothing is shown.
   * @param isRefused there is no room for one more watcher
   * @param observer whether the client can reach the observer
   */
  connection({ pid }: Process, isRefused: boolean, observer: boolean): OutgoingFrame {
    const own = this.#isOpen
      ? { pid: pid.toString(), node: this.#node.name, channel: notes.name, ...(isRefused && { full: true }) }
      : { hidden: true };
    return frame('connection', observer ? { ...own, observer: true } : own);
  }

  /**
   * Admits a watcher. Connections that were killed have not left: they are looked for when there is no room.
   * @returns false when nothing may be shown, or too many watch
   */
  admit(pid: Pid): boolean {
    if (!this.#isOpen) return false;
    if (this.#watchers.size >= WATCHERS_MAX)
      for (const [key, watcher] of this.#watchers)
        if (!this.#node.isAlive(watcher)) this.#watchers.delete(key);
    if (this.#watchers.size >= WATCHERS_MAX) return false;
    this.#watchers.set(pid.key, pid);
    return true;
  }

  leave(pid: Pid): void {
    this.#watchers.delete(pid.key);
  }

  /** The members of the channel; the same frame until they have changed. */
  members(): OutgoingFrame {
    const now = performance.now();
    const known = this.#members;
    if (known !== undefined && now - known.at < LOOK_MS) return known.frame;
    const listed = JSON.stringify({ event: 'members', data: this.#list() });
    const same = known !== undefined && known.text === listed;
    this.#members = { at: now, text: listed, frame: same ? known.frame : text(listed) };
    return this.#members.frame;
  }

  #list() {
    const byNode = new Map<string, { count: number; readonly pids: Pid[] }>();
    for (const pid of notes.getMembers(this.#node)) {
      const of = byNode.get(pid.node) ?? { count: 0, pids: [] };
      byNode.set(pid.node, of);
      of.count++;
      if (of.pids.length < namedMax.pids) of.pids.push(pid);
    }
    const own = this.#node.name;
    const nodes = [...byNode].toSorted(
      ([a], [b]) => Number(b === own) - Number(a === own) || (a < b ? -1 : 1),
    );
    return {
      channel: notes.name,
      nodes: nodes.slice(0, namedMax.nodes).map(([node, { count, pids }]) => ({
        node,
        count,
        members: pids.map((pid) => this.#named(pid)),
      })),
      nodeCount: nodes.length,
    };
  }

  #named(pid: Pid): { readonly pid: string; readonly name?: string } {
    const name = pid.node === this.#node.name ? this.#node.processInfo(pid)?.registeredName : undefined;
    return { pid: pid.toString(), ...(name !== undefined && { name }) };
  }
}

/** The watching of one connection. */
export class Watcher {
  readonly #watch: Watch;
  readonly #self: Process;
  readonly #observer: boolean;
  #isWatching = false;
  /** It looks again soon; a client that begins and ends all the time causes no further looks. */
  #isDue = false;
  #shown: OutgoingFrame | undefined;

  constructor(watch: Watch, self: Process, observer: boolean) {
    this.#watch = watch;
    this.#self = self;
    this.#observer = observer;
  }

  get isWatching(): boolean {
    return this.#isWatching;
  }

  /** @returns what to tell the client at once */
  begin(): readonly OutgoingFrame[] {
    if (this.#isWatching) return [];
    this.#isWatching = this.#watch.admit(this.#self.pid);
    const own = this.#watch.connection(this.#self, !this.#isWatching, this.#observer);
    this.#shown = undefined;
    return this.#isWatching ? [own, ...this.#look()] : [own];
  }

  end(): void {
    if (this.#isWatching) this.#watch.leave(this.#self.pid);
    this.#isWatching = false;
  }

  /** Call it for each `LOOK`. @returns what to tell the client */
  lookAgain(): readonly OutgoingFrame[] {
    this.#isDue = false;
    return this.#isWatching ? this.#look() : [];
  }

  #look(): readonly OutgoingFrame[] {
    if (!this.#isDue) this.#self.sendAfter(LOOK_MS, this.#self.pid, LOOK);
    this.#isDue = true;
    const members = this.#watch.members();
    if (members === this.#shown) return [];
    this.#shown = members;
    return [members];
  }
}

/** A broadcast as it arrived, with its payload cut short; encoded once, however many watch. */
export const asMessage: (message: Arrived) => OutgoingFrame = encodeOnce(({ broadcast, event }: Arrived) => {
  const { sender, channel } = broadcast;
  const { topic, payload, id } = event;
  const data = {
    channel,
    sender: sender.toString(),
    node: sender.node,
    topic,
    payload: abridged(payload),
    id,
  };
  return JSON.stringify({ event: 'message', data });
});

/** A broadcast, and the event that it is. */
export interface Arrived {
  readonly broadcast: Broadcast;
  readonly event: NoteEvent;
}

const arrivals = new WeakMap<Broadcast, Arrived>();

/** The same object for each connection that gets the broadcast. */
export function arrived(broadcast: Broadcast, event: NoteEvent): Arrived {
  let known = arrivals.get(broadcast);
  if (known === undefined) {
    known = { broadcast, event };
    arrivals.set(broadcast, known);
  }
  return known;
}

function abridged(payload: NoteEvent['payload']): object {
  if (!('title' in payload)) return payload;
  const { id, title } = payload;
  return { id, title: title.length > TITLE_MAX ? `${wholeCharacters(title)}…` : title };
}

function frame(event: string, data: object): OutgoingFrame {
  return text(JSON.stringify({ event, data }));
}

/** The beginning of a title, without half a character at its end. */
function wholeCharacters(title: string): string {
  return title.slice(0, TITLE_MAX).replace(/[\uD800-\uDBFF]$/, '');
}
