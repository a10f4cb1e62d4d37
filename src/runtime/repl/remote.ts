// A REPL on another node: the client is attached here, its code runs there.
//
// The node there has a process `troupe_repl` if its REPL was started with `remote: true`; nothing else lets other nodes evaluate. For each
// client it starts a `Link`, which stands in for the socket of a session. The process that the client is attached to here, the relay, and
// the link send each other what would go over the socket, a line a message:
//
//   relay                                  troupe_repl, link
//   [TAG, 'open', hello, pid]     ──────▶
//                                 ◀──────  [TAG, 'line', text, pid of the link]
//   [TAG, 'line', text], [TAG, 'ack'] ──▶  the next line is sent when the one before was acknowledged
//
// Each monitors the other, so that neither outlives a connection between the nodes.
import { Duplex } from 'node:stream';
import { type Behaviour, Down, Pid, type Process } from '../index.ts';
import { encodeLine, type Hello, parseServerMessage } from './protocol.ts';
import type { Connection } from './server.ts';

/** The registered name of the process that lets other nodes in. */
const REMOTE_REPL = 'troupe_repl';
const TAG = 'troupe_repl';

/** What stands in for a socket. */
export class Link extends Duplex {
  readonly #tell: (text: string) => void;
  #sent: (() => void) | undefined;

  /** @param tell sends a line to the other side */
  constructor(tell: (text: string) => void) {
    super({ decodeStrings: false, read: () => undefined });
    this.#tell = tell;
  }

  override _write(chunk: Buffer | string, _encoding: BufferEncoding, done: () => void): void {
    this.#sent = done;
    this.#tell(String(chunk));
  }

  /** The other side has had the last line. */
  acknowledged(): void {
    const sent = this.#sent;
    this.#sent = undefined;
    sent?.();
  }

  /** As of a socket: there is nothing that keeps a program alive. */
  unref(): this {
    return this;
  }
}

/** Starts what the sessions of other nodes come to, linked to the server. @param attach takes a link as it takes the socket of a client */
export function letOthersIn(server: Process, attach: (link: Link) => void): void {
  const gate: Behaviour<undefined, []> = {
    name: 'repl gate',
    init: (self) => {
      self.node.register(REMOTE_REPL, self.pid);
      return undefined;
    },
    handle: (self, message) => {
      const [tag, what, hello, relay] = Array.isArray(message) ? (message as unknown[]) : [];
      if (tag !== TAG || what !== 'open' || typeof hello !== 'string' || !(relay instanceof Pid)) return;
      self.spawnWith({ label: `repl of ${relay.node}` }, linkBehaviour, relay, hello, attach);
    },
  };
  const pid = server.spawnWith({ label: REMOTE_REPL }, gate);
  server.link(pid);
  // Also when the server ends normally, which a link does not pass on.
  server.signal.addEventListener('abort', () => {
    server.node.exit(pid, 'shutdown');
  });
}

const linkBehaviour: Behaviour<Link, [Pid, string, (link: Link) => void]> = {
  name: 'repl link',
  init: (self, relay, hello, attach) => {
    const link = new Link((text) => {
      if (self.alive) self.send(relay, [TAG, 'line', text, self.pid]);
    });
    self.monitor(relay);
    self.signal.addEventListener('abort', () => link.destroy());
    link.on('close', () => {
      if (self.alive) self.node.exit(self.pid, 'shutdown');
    });
    attach(link);
    link.push(hello);
    return link;
  },
  handle: (self, message, link) => {
    if (message instanceof Down) self.exit('shutdown');
    const [tag, what, text] = Array.isArray(message) ? (message as unknown[]) : [];
    if (tag !== TAG) return;
    if (what === 'ack') link.acknowledged();
    else if (what === 'line' && typeof text === 'string') link.push(text);
  },
};

interface Relay {
  readonly connection: Connection;
  /** Of the link, once it has answered. */
  link: Pid | undefined;
  readonly refused: () => void;
}

/** The process of a client whose code runs on another node. It calls `refused`, and ends, when that node lets nobody in. */
export const relayBehaviour: Behaviour<Relay, [Connection, Hello, string, () => void]> = {
  name: 'repl relay',
  init: (self, connection, hello, node, refused) => {
    const { target: _, ...own } = hello;
    const gate = { name: REMOTE_REPL, node };
    self.monitor(gate);
    self.send(gate, [TAG, 'open', encodeLine(own), self.pid]);
    return { connection, link: undefined, refused };
  },
  handle: (self, message, relay) => {
    if (message instanceof Down) {
      if (relay.link === undefined) relay.refused();
      else if (!(message.target instanceof Pid)) return; // what lets others in has ended; the link has its own end
      else relay.connection.bye('the other node, or the REPL there, is gone');
      self.exit('shutdown');
    }
    const [tag, what, text, link] = Array.isArray(message) ? (message as unknown[]) : [];
    if (tag !== TAG || what !== 'line' || typeof text !== 'string' || !(link instanceof Pid)) return;
    if (relay.link === undefined) begin(self, relay, link);
    if (!link.equals(relay.link)) return;
    const said = parseServerMessage(text);
    if (said.type === 'bye') relay.connection.bye(said.text);
    else relay.connection.send(said);
    self.send(link, [TAG, 'ack']);
  },
};

function begin(self: Process, relay: Relay, link: Pid): void {
  relay.link = link;
  self.monitor(link);
  self.signal.addEventListener('abort', () => {
    relay.connection.bye('the application has ended this REPL');
  });
  relay.connection.use({
    onMessage: (message) => {
      if (self.alive) self.send(link, [TAG, 'line', encodeLine(message)]);
    },
    onClose: () => {
      if (self.alive) self.node.exit(self.pid, 'shutdown');
    },
  });
}
