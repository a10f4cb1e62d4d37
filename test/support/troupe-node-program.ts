// A Troupe node in an operating system process of its own: `node --import tsx troupe-node-program.ts OPTIONS`. It reads
// commands from stdin, {id, command, argument} in JSON, one a line, and prints answers, {id, value} or {id, error},
// and events. It ends with its stdin.
import { createInterface } from 'node:readline';
import { inspect } from 'node:util';
import { atom, NodeDown, NodeUp, type Node, type Pid, pg } from 'troupe';
import { startTroupe, type Troupe, type TroupeOptions } from './troupe-node.ts';

/** What the program tells by itself. */
export interface ProgramEvent {
  readonly event: 'started' | 'nodeup' | 'nodedown' | 'message';
  /** The other node. */
  readonly peer?: string | undefined;
  /** The name of the process that received a message. */
  readonly to?: string;
  /** The message. */
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

/** Tells of connections. */
function observe(node: Node): void {
  node.spawn({
    name: 'observer',
    init: (self) => node.monitorNodes(self.pid, true),
    handle(_self, message) {
      if (message instanceof NodeUp) tell({ event: 'nodeup', peer: message.node });
      else if (message instanceof NodeDown) tell({ event: 'nodedown', peer: message.node });
    },
  });
}

function commands({ node }: Troupe) {
  observe(node);
  const counts = new Map<string, number>();
  const idle = { name: 'idle', init: () => undefined, handle: () => undefined };
  const rooms = (count: number) => Array.from({ length: count }, (_, i) => ['room', i]);
  return {
    connect: ({ peer }: { peer: string }) => node.connect(peer),
    nodes: () => node.nodes(),
    record: ({ name }: { name: string }) => recorder(node, name).toString(),
    /** A process under a name that counts what it gets. */
    count({ name }: { name: string }) {
      counts.set(name, 0);
      const count = () => void counts.set(name, (counts.get(name) ?? 0) + 1);
      node.spawnWith({ name }, { name: 'counter', init: () => undefined, handle: count });
    },
    counted: ({ name }: { name: string }) => counts.get(name),
    /** Starts a scope, which from then on learns of those of other nodes. */
    scope: ({ scope }: { scope: string }) => pg.start(node, scope).toString(),
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
    /** How many members the rooms have together, on this node and others. */
    roomMembers({ scope, count }: { scope: string; count: number }) {
      let all = 0;
      for (const room of rooms(count)) all += pg.getMembers(node, scope, room).length;
      return all;
    },
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
