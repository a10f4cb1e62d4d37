// Instances of one service, each a program of its own on real connections. They keep their names in an epmd of their own, on
// a port that the test gives: nothing is shared with what else runs on the machine.
import { expect, vi } from 'vitest';
import { type TestClient, openClient } from './client.ts';
import { type Program, startProgram, temporaryFolder } from './program.ts';

/** How long something may take that has to happen. */
export const SOON = { timeout: 60_000, interval: 50 };

export interface Instance {
  /** The name of its node. */
  readonly name: string;
  readonly program: Program;
  /** Of HTTP. */
  readonly port: number;
  /** Opens a WebSocket that misses nothing from now on. */
  connect(): Promise<TestClient>;
  /** What `/readyz` answers. */
  ready(): Promise<Readiness>;
}

export interface Readiness {
  readonly status: string;
  readonly database: string;
  readonly cluster: { readonly node: string; readonly peers: string[] };
}

/** The settings of an instance, without its database. */
export function settingsOf(
  name: string,
  epmdPort: number,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return {
    TROUPE_NODE: `${name}@127.0.0.1`,
    TROUPE_COOKIE: 'cookie-of-the-test',
    TROUPE_EPMD_PORT: String(epmdPort),
    DATA_DIR: temporaryFolder(),
    ...more,
  };
}

/** Starts an instance; answers when it is ready. */
export async function startInstance(env: Readonly<Record<string, string>>): Promise<Instance> {
  const program = startProgram({ env });
  const port = await program.port;
  const instance: Instance = {
    name: env['TROUPE_NODE'] ?? '',
    program,
    port,
    async connect() {
      const client = await openClient(`ws://127.0.0.1:${port}/notifications`);
      client.send('ping');
      expect(await client.next()).toBe('pong');
      return client;
    },
    ready: async () => (await (await fetch(`http://127.0.0.1:${port}/readyz`)).json()) as Readiness,
  };
  await vi.waitFor(async () => expect((await instance.ready()).status).toBe('ready'), SOON);
  return instance;
}

/** Waits until instances are connected with each other. */
export async function connected(...instances: Instance[]): Promise<void> {
  for (const instance of instances) {
    const others = instances.filter((other) => other !== instance).map(({ name }) => name);
    await vi.waitFor(
      async () => expect((await instance.ready()).cluster.peers).toEqual(expect.arrayContaining(others)),
      SOON,
    );
  }
}

/** The next event of a client: with a name the next of that one, otherwise the next but `resync`. */
export async function nextEvent(
  client: TestClient,
  wanted?: string,
): Promise<{ event: string; data: unknown }> {
  for (;;) {
    const frame = JSON.parse(await client.next()) as { event: string; data: unknown };
    if (wanted === undefined ? frame.event !== 'resync' : frame.event === wanted) return frame;
  }
}
