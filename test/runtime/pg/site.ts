// A node of the random histories: what happens on it, and a model of what its scope should know, which knows nothing of messages.
import {
  type Carrier,
  type Clock,
  createNode,
  GroupJoined,
  GroupLeft,
  type Node,
  pg,
  type Pid,
} from 'troupe';
import { canonicalText } from '../../../src/runtime/pg/internal.ts';
import { forever } from '../distribution/cluster.ts';
import { counts, type Membership } from './otp-scope.ts';

/** What can happen on a node. Numbers choose among what there is. */
export type Change =
  | { readonly do: 'join' | 'leave'; readonly who: number; readonly group: number; readonly times: number }
  | { readonly do: 'spawn' | 'kill'; readonly who: number }
  | { readonly do: 'restartScope' };

/** A node with a scope. */
export class Site {
  readonly name: string;
  readonly #carrier: () => Carrier;
  readonly #clock: Clock;
  readonly #scope: string;
  readonly #groups: readonly unknown[];
  #creation = 10;
  /** What is to happen within the arrival of a signal; each is done in the arrival after `skip` others. */
  readonly #reflexes: Array<{ skip: number; readonly change: Change }> = [];
  node!: Node;
  #alive: Pid[] = [];
  local: Membership = new Map();
  /** What a process that follows the scope knows of it. */
  followed: Membership = new Map();

  /** @param groups the names that it uses. */
  constructor(name: string, scope: string, groups: readonly unknown[], carrier: () => Carrier, clock: Clock) {
    this.name = name;
    this.#scope = scope;
    this.#groups = groups;
    this.#carrier = carrier;
    this.#clock = clock;
    this.start();
  }

  start(): void {
    this.node = createNode({
      name: this.name,
      creation: this.#creation++,
      carrier: nervous(this.#carrier(), () => {
        this.#arrived();
      }),
      clock: this.#clock,
      sliceMs: 1_000,
    });
    this.#alive = [forever(this.node), forever(this.node)];
    this.#startScope();
  }

  /** The scope process. */
  get pid(): Pid {
    return this.node.whereis(this.#scope)!;
  }

  later(change: Change, skip: number): void {
    this.#reflexes.push({ change, skip });
  }

  perform(change: Change): void {
    switch (change.do) {
      case 'spawn':
        this.#alive.push(forever(this.node));
        return;
      case 'kill':
        this.#kill(change.who);
        return;
      case 'restartScope':
        this.node.exit(this.pid, 'kill');
        this.#startScope();
        return;
      default:
        this.#joinOrLeave(change);
    }
  }

  /** What the scope says of the members of all groups. */
  seen(localOnly: boolean): Membership {
    const names = localOnly
      ? pg.whichLocalGroups(this.node, this.#scope)
      : pg.whichGroups(this.node, this.#scope);
    const members = localOnly ? pg.getLocalMembers : pg.getMembers;
    return new Map(names.map((name) => [canonicalText(name), counts(members(this.node, this.#scope, name))]));
  }

  #arrived(): void {
    const next = this.#reflexes[0];
    if (next === undefined || next.skip-- > 0) return;
    this.#reflexes.shift();
    this.perform(next.change);
  }

  #startScope(): void {
    this.local = new Map();
    pg.start(this.node, this.#scope);
    const followed: Membership = new Map();
    this.followed = followed;
    const follower = this.node.spawn({
      name: 'follower',
      init: () => undefined,
      handle: (_self, message) => follow(followed, message),
    });
    pg.monitorScope(this.node.find(follower)!, this.#scope);
  }

  #joinOrLeave(change: Change & { do: 'join' | 'leave' }): void {
    const pid = this.#alive[change.who % Math.max(1, this.#alive.length)];
    if (pid === undefined) return;
    const group = this.#groups[change.group % this.#groups.length];
    const pids = Array.from({ length: change.times }, () => pid);
    const text = canonicalText(group);
    const members = this.local.get(text) ?? new Map<string, number>();
    const before = members.get(pid.key) ?? 0;
    if (change.do === 'join') {
      pg.join(this.node, this.#scope, group, pids);
      this.local.set(text, members.set(pid.key, before + change.times));
      return;
    }
    const answer = pg.leave(this.node, this.#scope, group, pids);
    if (answer !== (before > 0 ? 'ok' : 'not_joined')) throw new Error(`leave answered ${answer}`);
    if (before > change.times) members.set(pid.key, before - change.times);
    else members.delete(pid.key);
    if (members.size === 0) this.local.delete(text);
  }

  #kill(who: number): void {
    const [pid] = this.#alive.splice(who % Math.max(1, this.#alive.length), 1);
    if (pid === undefined) return;
    this.node.exit(pid, 'kill');
    for (const [group, members] of this.local) {
      members.delete(pid.key);
      if (members.size === 0) this.local.delete(group);
    }
  }
}

/** A carrier after each of whose arrivals something is called, before any process has run. */
function nervous(carrier: Carrier, arrived: () => void): Carrier {
  return {
    attach: (host) => {
      carrier.attach({
        origin: host.origin,
        node: host.node,
        get idle() {
          return host.idle;
        },
        internPid: (pid) => host.internPid(pid),
        receive: (peer, signal) => {
          host.receive(peer, signal);
          arrived();
        },
        nodeUp: (peer, creation) => {
          host.nodeUp(peer, creation);
          arrived();
        },
        nodeDown: (peer, reason) => {
          host.nodeDown(peer, reason);
          arrived();
        },
      });
    },
    send: (peer, signal) => {
      carrier.send(peer, signal);
    },
    connect: (peer) => carrier.connect(peer),
    disconnect: (peer) => carrier.disconnect(peer),
    close: () => carrier.close(),
  };
}

function follow(followed: Membership, event: unknown): void {
  if (!(event instanceof GroupJoined) && !(event instanceof GroupLeft)) return;
  const text = canonicalText(event.group);
  const members = followed.get(text) ?? new Map<string, number>();
  followed.set(text, members);
  for (const { key } of event.pids) {
    const count = (members.get(key) ?? 0) + (event instanceof GroupJoined ? 1 : -1);
    // One that goes below nothing stays, and shows in the comparison.
    if (count === 0) members.delete(key);
    else members.set(key, count);
  }
  if (members.size === 0) followed.delete(text);
}
