// C nodes, by OTP's own erl_interface: the same program connects with a node of OTP and with one of Troupe, and sees no difference.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createNode, type Pid, pubsub, type Process, type Tuple, tuple } from 'troupe';
import { createErlangCarrier } from 'troupe/erlang';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Epmd, type ErlNode, freePort, startEpmd, startErl, TEST_COOKIE } from '../support/erl.ts';
import { requirePart } from '../support/parts.ts';

const BYTES = [104, 105, 255];

describe.skipIf(requirePart('erl').missing || requirePart('ei').missing)('a C node', () => {
  let folder: string;
  let epmd: Epmd;
  let beam: ErlNode;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'troupe-c-'));
    const ei = requirePart('ei').path;
    const source = join(import.meta.dirname, '../support/c/c_node.c');
    const args = [
      '-o',
      'c_node',
      '-D_REENTRANT',
      `-I${ei}/include`,
      source,
      `-L${ei}/lib`,
      '-lei',
      '-lpthread',
    ];
    const built = spawnSync('cc', args, { cwd: folder, encoding: 'utf8' });
    if (built.status !== 0) throw new Error(`c_node.c: ${built.stderr}`);
    epmd = await startEpmd(await freePort());
    beam = await startErl({ name: 'otp@127.0.0.1', epmdPort: epmd.port });
    await beam.eval(`register(echo, spawn(fun F() ->
      receive {Pid, Term} -> Pid ! {Term, <<${BYTES.join()}>>}, F() end end))`);
  });

  afterAll(async () => {
    await beam?.stop();
    await epmd?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function run(name: string, peer: string): Promise<string[]> {
    const env = { ERL_EPMD_PORT: String(epmd.port), PATH: '' };
    const child = spawn(join(folder, 'c_node'), [name, TEST_COOKIE, peer], { env });
    onTestFinished(() => void child.kill('SIGKILL'));
    return (await text(child.stdout)).trimEnd().split('\n');
  }

  test('connects, sends, receives and calls, as with a node of OTP', async () => {
    const carrier = createErlangCarrier({
      cookie: TEST_COOKIE,
      epmd: 'client',
      epmdPort: epmd.port,
      expose: { lists: { sum: (_self, numbers: number[]) => numbers.reduce((sum, one) => sum + one, 0) } },
    });
    const node = createNode({ name: 'troupe@127.0.0.1', carrier });
    onTestFinished(() => node.stop());
    // What is looked for on other nodes, and told to them, must not reach one that has no such thing.
    pubsub.start(node);
    node.spawnWith({ name: 'echo' }, async (self: Process) => {
      const [from, term] = ((await self.receive()) as Tuple<[Pid, unknown]>).elements;
      self.send(from, tuple(term, Uint8Array.from(BYTES)));
    });
    await carrier.ready();
    const there = await run('first', beam.name);
    expect(there).toEqual([
      'connected',
      'quiet',
      expect.stringMatching(/^echo \{.*, \[1, 2\.5\d*, atom\]\}$/),
      `bytes ${BYTES.join(' ')}`,
      'sum 6',
      'badrpc',
    ]);
    expect(await run('second', node.name)).toEqual(there);
    expect(carrier.faults()).toMatchObject({ badFrames: 0 });
  });
});
