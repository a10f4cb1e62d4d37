// Sites with a network of their own, and a router between them that can stop passing packets on: a net split as machines
// see it, with no packet lost but those of the split, and no word from the kernel to either side.
// Ask `requirePart('netns')` first. A namespace lives as long as the program that holds it, which the kernel ends with
// this process: nothing is left behind.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { requirePart } from './parts.ts';

const SITES_MAX = 200;

export interface Site {
  /** Its only address but 127.0.0.1. */
  readonly address: string;
  /** What to put before a command so that it runs here. */
  readonly within: readonly string[];
}

export interface Network {
  readonly sites: readonly Site[];
  /** No packet passes between sites. */
  cut(): void;
  /** Packets pass again. */
  heal(): void;
  /** Ends it. What runs in the sites loses its network. */
  remove(): Promise<void>;
}

/** Makes a network of some sites that all reach each other. */
export async function createNetwork(count: number): Promise<Network> {
  if (count > SITES_MAX) throw new Error(`no more than ${SITES_MAX} sites`);
  const { path: ip } = requirePart('netns');
  const holders: ChildProcess[] = [];
  const remove = async () => {
    await Promise.all(holders.map(release));
  };
  try {
    const router = await hold(holders);
    const sites: Site[] = [];
    for (let number = 1; number <= count; number++) {
      sites.push(addSite(ip, router, await hold(holders), number));
    }
    const forward = (on: boolean) =>
      run([...inside(router), 'sh', '-c', `echo ${on ? 1 : 0} > /proc/sys/net/ipv4/ip_forward`]);
    forward(true);
    return { sites, cut: () => forward(false), heal: () => forward(true), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Starts the program that holds a namespace; answers its pid when the namespace is there. */
async function hold(holders: ChildProcess[]): Promise<number> {
  const program = ['unshare', '--net', 'sh', '-c', 'echo ready; exec sleep infinity'];
  const holder = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  holders.push(holder);
  await once(holder.stdout, 'data');
  return holder.pid ?? -1;
}

async function release(holder: ChildProcess): Promise<void> {
  if (holder.exitCode !== null || holder.signalCode !== null) return;
  const gone = once(holder, 'close');
  holder.kill('SIGKILL');
  await gone;
}

/** Connects a namespace with the router by a pair of interfaces, in a subnet of its own. */
function addSite(ip: string, router: number, namespace: number, number: number): Site {
  const address = `10.213.${number}.2`;
  const gateway = `10.213.${number}.1`;
  const there = [...inside(namespace), ip];
  const middle = [...inside(router), ip];
  const pair = ['type', 'veth', 'peer', 'name', 'eth0', 'netns', String(namespace)];
  run([...middle, 'link', 'add', `site${number}`, ...pair]);
  run([...middle, 'addr', 'add', `${gateway}/24`, 'dev', `site${number}`]);
  run([...middle, 'link', 'set', `site${number}`, 'up']);
  run([...there, 'addr', 'add', `${address}/24`, 'dev', 'eth0']);
  run([...there, 'link', 'set', 'lo', 'up']);
  run([...there, 'link', 'set', 'eth0', 'up']);
  run([...there, 'route', 'add', 'default', 'via', gateway]);
  return { address, within: inside(namespace) };
}

function inside(namespace: number): readonly string[] {
  return ['nsenter', '-t', String(namespace), '--net', '--'];
}

function run(command: readonly string[]): void {
  const [program = '', ...args] = command;
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`);
}
