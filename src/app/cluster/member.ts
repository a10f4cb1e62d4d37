// Makes instances one service, together with the channel: each has a server that knows the others, and finds out when it may
// have missed their changes.
//
// - The servers are members of a group. When that of another instance appears, the two greet each other. The other
//   node answers a greeting after it has learnt of the members here: what it broadcasts from then on arrives, and what it
//   broadcast before is in the database. So that is the moment to read everything again.
// - An instance that disappears may have stored a change without broadcasting it: everything is read again then, too.
// - Instances that keep different notes are not one service. Each logs an error, and ignores what the other broadcasts.
// - What arrives is checked: any node can send anything to a registered name.
// - It never waits. Greetings are casts, so that two servers that greet each other do not wait for each other.
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import {
  defineServer,
  cast,
  Down,
  GroupJoined,
  GroupLeft,
  pg,
  Pid,
  type Process,
  pubsub,
  type ServerRef,
  UNHANDLED,
} from 'troupe';
import type { noteIndexer } from '../indexer/indexer.ts';
import type { Strangers } from './strangers.ts';

/** The name that the server is registered under, on each instance. */
export const memberName = 'notes_cluster';

/** The scope of the channels, and the group of the servers in it. */
const SCOPE = 'nova_scope';
const GROUP = 'notes_instances';
const IDENTITY_MAX = 1_000;

/** What the server is started with. */
export interface MemberOptions {
  /** Which notes this instance has; see `NotesSource`. */
  readonly identity: string;
  readonly indexer: ServerRef<typeof noteIndexer>;
  readonly strangers: Strangers;
}

interface Member extends MemberOptions {
  /** The servers of other instances. */
  readonly others: Map<string, Pid>;
}

const Greeting = Type.Object({
  from: Type.Refine(Type.Unknown(), (value) => value instanceof Pid),
  identity: Type.String({ maxLength: IDENTITY_MAX }),
});

/** Knows the other instances. */
export const clusterMember = defineServer({
  name: 'notes_cluster',

  init(self, options: MemberOptions): Member {
    const member: Member = { ...options, others: new Map() };
    enter(member, self);
    return member;
  },

  cast: {
    /** An instance has seen that this one is there. */
    hello(member, greeting: unknown, self) {
      if (!Value.Check(Greeting, greeting)) return;
      const { from, identity } = greeting as { from: Pid; identity: string };
      learn(member, from, identity);
      cast(self.node, from, 'welcome', { from: self.pid, identity: member.identity }, self);
    },
    /** The answer to `hello`. */
    welcome(member, greeting: unknown) {
      if (!Value.Check(Greeting, greeting)) return;
      const { from, identity } = greeting as { from: Pid; identity: string };
      if (member.others.get(from.node)?.equals(from) !== true) return;
      learn(member, from, identity);
      member.indexer.cast('resync');
    },
    /**
     * This instance may not have heard of a change. For programs that change notes in the database themselves:
     * `gen_server:cast({notes_cluster, Node}, resync)`.
     */
    resync: (member) => member.indexer.cast('resync'),
    /** It is unknown whether a change requested here was made: all instances must look. */
    unsure(member, _nothing: undefined, self) {
      member.indexer.cast('resync');
      for (const pid of member.others.values()) cast(self.node, pid, 'resync', undefined, self);
    },
  },

  info(member: Member, message, self) {
    if (message instanceof GroupJoined) meet(member, message.pids, self);
    else if (message instanceof GroupLeft) part(member, message.pids);
    else if (message instanceof Down) enter(member, self);
    else return UNHANDLED;
    return undefined;
  },
});

/** Joins the group and follows it; again after the scope has ended, since both end with it. */
function enter(member: Member, self: Process): void {
  pubsub.start(self);
  self.monitor(self.node.whereis(SCOPE) as Pid);
  const { members } = pg.monitor(self, SCOPE, GROUP);
  if (!pg.getLocalMembers(self, SCOPE, GROUP).some((pid) => pid.equals(self.pid)))
    pg.join(self, SCOPE, GROUP);
  meet(member, members, self);
}

/** Greets the servers of other instances that have appeared. */
function meet(member: Member, pids: readonly Pid[], self: Process): void {
  for (const pid of pids) {
    if (pid.node === self.node.name) continue;
    member.others.set(pid.node, pid);
    cast(self.node, pid, 'hello', { from: self.pid, identity: member.identity }, self);
  }
}

/** Forgets servers that have gone. */
function part(member: Member, pids: readonly Pid[]): void {
  for (const pid of pids) {
    if (member.others.get(pid.node)?.equals(pid) !== true) continue;
    member.others.delete(pid.node);
    member.strangers.forget(pid.node);
    member.indexer.cast('resync');
  }
}

function learn({ identity: own, strangers }: Member, { node }: Pid, identity: string): void {
  if (identity === own) strangers.forget(node);
  else strangers.add(node, identity);
}
