// Good peers beside an attack, which must not notice it: a node of Troupe in this program, and one of Erlang where `erl` is. Each
// calls a function of the attacked node again and again, and counts what is not answered as it should be.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createErlangCarrier, erpc } from 'troupe/erlang';
import { createNode, type Node } from 'troupe';
import type { Victim } from './victim.ts';

const EVERY_MS = 20;
const TIMEOUT_MS = 5_000;

/** What good peers have lost. */
export interface Losses {
  readonly calls: number;
  readonly lost: number;
  readonly connectionsLost: number;
}

/** The good peers. */
export class Witnesses {
  readonly #node: Node;
  readonly #victim: Victim;
  #beam: ChildProcess | undefined;
  #calls = 0;
  #lost = 0;
  #downs = 0;
  readonly #stopping = new AbortController();
  /** How often the good peer of this program has connected again. */
  reconnects = 0;
  #rounds: Promise<void>;

  private constructor(victim: Victim, node: Node) {
    this.#victim = victim;
    this.#node = node;
    this.#rounds = this.#ask();
  }

  /** @param folder for the files of the Erlang node. @param erlang whether to have one. */
  static async start(victim: Victim, folder: string, erlang: boolean): Promise<Witnesses> {
    const { cookie, epmdPort, tls } = victim.options;
    const files = tls && {
      key: readFileSync(tls.key),
      cert: readFileSync(tls.cert),
      ca: readFileSync(tls.ca),
    };
    const carrier = createErlangCarrier({
      cookie,
      epmd: 'client',
      epmdPort,
      ...(files === undefined ? {} : { tls: files }),
    });
    const node = createNode({ name: 'good@127.0.0.1', carrier });
    await carrier.ready();
    if (!(await node.connect(victim.options.name))) throw new Error('the good peer cannot connect');
    const witnesses = new Witnesses(victim, node);
    if (erlang) await witnesses.#startBeam(folder);
    return witnesses;
  }

  /** Whether there is a node of Erlang. */
  get withErlang(): boolean {
    return this.#beam !== undefined;
  }

  /** Makes the good peer of this program connect again. @returns whether it was let in. */
  async reconnect(): Promise<boolean> {
    this.reconnects++;
    this.#node.disconnect(this.#victim.options.name);
    return this.#node.connect(this.#victim.options.name);
  }

  losses(): Losses {
    return { calls: this.#calls, lost: this.#lost, connectionsLost: this.#downs };
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#rounds;
    this.#beam?.kill('SIGKILL');
    await this.#node.stop();
  }

  async #ask(): Promise<void> {
    for (let count = 0; !this.#stopping.signal.aborted; count++) {
      this.#calls++;
      // oxlint-disable-next-line no-await-in-loop -- one call after the other
      const answer: unknown = await erpc
        .call(this.#node, this.#victim.options.name, 'attack', 'echo', [count], { timeoutMs: TIMEOUT_MS })
        .catch(() => undefined);
      if (answer !== count) this.#lost++;
      // oxlint-disable-next-line no-await-in-loop -- as above
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  }

  async #startBeam(folder: string): Promise<void> {
    const { name, cookie, epmdPort, tls } = this.#victim.options;
    const program = `
      net_kernel:monitor_nodes(true, #{node_type => all}), true = net_kernel:connect_node('${name}'),
      io:format("up~n"),
      Loop = fun Again(N) ->
        Pong = net_adm:ping('${name}'),
        Answer = (catch erpc:call('${name}', attack, echo, [N], ${TIMEOUT_MS})),
        Downs = (fun Count(K) -> receive {nodedown, '${name}', _} -> Count(K + 1); _ -> Count(K) after ${EVERY_MS} -> K end end)(0),
        io:format("~p ~p~n", [Pong =:= pong andalso Answer =:= N, Downs]),
        Again(N + 1)
      end, Loop(0).`;
    const secure: string[] = [];
    if (tls !== undefined) {
      const options = `{certfile, ${JSON.stringify(tls.cert)}}, {keyfile, ${JSON.stringify(tls.key)}},
        {cacertfile, ${JSON.stringify(tls.ca)}}, {verify, verify_peer}`;
      const path = join(folder, 'dist.conf');
      writeFileSync(
        path,
        `[{server, [${options}, {fail_if_no_peer_cert, true}]}, {client, [${options}]}].\n`,
      );
      secure.push('-proto_dist', 'inet_tls', '-ssl_dist_optfile', path);
    }
    const args = ['-noshell', '-start_epmd', 'false', '-name', 'beam@127.0.0.1', '-setcookie', cookie];
    const beam = spawn('erl', [...args, ...secure, '-eval', program.replace(/\s+/g, ' ')], {
      env: { ...process.env, ERL_EPMD_PORT: String(epmdPort), HOME: folder },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const missing = new Promise<boolean>((resolve) => {
      beam.once('error', () => resolve(true));
      beam.once('exit', () => resolve(true));
    });
    const lines = createInterface({ input: beam.stdout });
    const up = new Promise<boolean>((resolve) => {
      lines.on('line', (line) => {
        if (line === 'up') return resolve(false);
        const [fine, downs] = line.split(' ');
        this.#calls++;
        if (fine !== 'true') this.#lost++;
        this.#downs += Number(downs);
      });
    });
    if (!(await Promise.race([missing, up]))) this.#beam = beam;
  }
}
