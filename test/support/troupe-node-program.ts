// A Troupe node in an operating system process of its own: `node --import tsx troupe-node-program.ts OPTIONS`. It reads
// commands from stdin, {id, command, argument} in JSON, one a line, and prints answers, {id, value} or {id, error},
// and events. It ends with its stdin.
import { createInterface } from 'node:readline';
import { inspect } from 'node:util';
import {
  atom,
  defineChannel,
  Down,
  NodeDown,
  NodeUp,
  onTelemetry,
  type Node,
  type Pid,
  pg,
  tuple,
} from 'troupe';
import { queuedBytes, startTroupe, type Troupe, type TroupeOptions } from './troupe-node.ts';

/** What the program tells by itself. */
export interface ProgramEvent {
  readonly event: 'started' | 'nodeup' | 'nodedown' | 'message' | 'down' | 'refused';
  /** The other node. */
  readonly peer?: string | undefined;
  /** The name of the process that received a message. */
  readonly to?: string;
  /** The message, or a reason. */
  readonly text?: string;
}

export type Commands = ReturnType<typeof commands>;

function tell(event: ProgramEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

function show(value: unknown): string {
  return inspect(value, { breakLength: Infinity, depth: 10 });
}

/** Tells of all that it receives. */
function recorder(node: Node, name: string): Pid {
  return node.spawnWith(
    { name },
    {
      name: 'recorder',
      init: () => undefined,
      handle: (_self, message) => tell({ event: 'message', to: name, text: show(message) }),
    },
  );
}

/** Tells of connections and of what it is asked to monitor. */
function observer(node: Node): (target: { name: string; node: string }) => void {
  const watch = tuple('watch');
  const pid = node.spawn({
    name: 'observer',
    init: (self) => node.monitorNodes(self.pid, true),
    handle(self, message) {
      if (message instanceof NodeUp) tell({ event: 'nodeup', peer: message.node });
      else if (message instanceof NodeDown) tell({ event: 'nodedown', peer: message.node });
      else if (message instanceof Down) tell({ event: 'down', text: show(message.reason) });
      else if (Array.isArray(message) && message[0] === watch)
        self.monitor(message[1] as { name: string; node: string });
    },
  });
  return (target) => node.send(pid, [watch, target]);
}

function commands({ node, carrier }: Troupe) {
  const monitor = observer(node);
  const members = new Map<unknown, Pid[]>();
  const counts = new Map<string, number>();
  const idle = { name: 'idle', init: () => undefined, handle: () => undefined };
  const rooms = (count: number) => Array.from({ length: count }, (_, i) => ['room', i]);
  return {
    connect: ({ peer }: { peer: string }) => node.connect(peer),
    nodes: () => node.nodes(),
    record: ({ name }: { name: string }) => recorder(node, name).toString(),
    /** A process under a name that counts what it gets, in its state. */
    count({ name }: { name: string }) {
      counts.set(name, 0);
      const count = () => void counts.set(name, (counts.get(name) ?? 0) + 1);
      node.spawnWith({ name }, { name: 'counter', init: () => undefined, handle: count });
    },
    counted: ({ name }: { name: string }) => counts.get(name),
    send: ({ to, message }: { to: { name: string; node: string }; message: unknown }) =>
      node.send(to, message),
    monitor: ({ to }: { to: { name: string; node: string } }) => monitor(to),
    /** Starts a scope, which from then on learns of those of other nodes. */
    scope: ({ scope }: { scope: string }) => pg.start(node, scope).toString(),
    /** Makes some new processes join a group. */
    join({ scope, group, count }: { scope: string; group: unknown; count: number }) {
      const pids = Array.from({ length: count }, () => node.spawn(idle));
      members.set(group, [...(members.get(group) ?? []), ...pids]);
      pg.join(node, scope, group, pids);
    },
    /** Makes a new process join the group `all`, an atom. */
    joinAll({ scope }: { scope: string }) {
      pg.start(node, scope);
      pg.join(node, scope, atom('all'), node.spawn(idle));
    },
    /** Makes one new process join many groups. */
    joinRooms({ scope, count }: { scope: string; count: number }) {
      const pid = node.spawn(idle);
      for (const room of rooms(count)) pg.join(node, scope, room, pid);
    },
    /** Ends the processes that `join` has made for a group. */
    endMembers({ group }: { group: unknown }) {
      for (const pid of members.get(group) ?? []) node.exit(pid, 'kill');
      members.delete(group);
    },
    members: ({ scope, group }: { scope: string; group: unknown }) =>
      pg.getMembers(node, scope, group).map((pid) => pid.node),
    /** How many members the rooms have together, on this node and others. */
    roomMembers({ scope, count }: { scope: string; count: number }) {
      let all = 0;
      for (const room of rooms(count)) all += pg.getMembers(node, scope, room).length;
      return all;
    },
    broadcast: ({ channel, topic, payload }: { channel: string; topic: string; payload: unknown }) =>
      defineChannel<Record<string, unknown>>(channel).broadcast(node, topic, payload),
    queuedBytes: ({ peer }: { peer: string }) => queuedBytes(carrier, peer),
    memory: () => process.memoryUsage.rss(),
    /** Keeps the event loop busy. */
    block({ ms }: { ms: number }) {
      const end = performance.now() + ms;
      while (performance.now() < end);
    },
  };
}

const troupe = await startTroupe(JSON.parse(process.argv[2] ?? '') as TroupeOptions);
const table = commands(troupe) as Record<string, (argument: unknown) => unknown>;
onTelemetry('troupe:distribution:refused', ({ peer, reason }) =>
  tell({ event: 'refused', peer, text: reason }),
);
const lines = createInterface({ input: process.stdin });
lines.on('close', () => process.exit(0));
lines.on('line', (line) => {
  void (async () => {
    const { id, command, argument } = JSON.parse(line) as { id: number; command: string; argument: unknown };
    try {
      const value = await table[command]?.(argument);
      process.stdout.write(`${JSON.stringify({ id, value })}\n`);
    } catch (error) {
      process.stdout.write(`${JSON.stringify({ id, error: show(error) })}\n`);
    }
  })();
});
tell({ event: 'started' });
