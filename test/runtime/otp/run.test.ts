// A program that is one tree: what starts it, keeps it alive and ends it, with which exit code. First with a stand-in for
// `process`, then as programs of their own.
import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  child,
  createNode,
  defineServer,
  defineSupervisor,
  type Program,
  run,
  type RunOptions,
} from 'troupe';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';

const said: string[] = [];
beforeEach(() => {
  said.length = 0;
  vi.spyOn(console, 'error').mockImplementation((_format, text: string) => void said.push(text));
});
afterEach(() => vi.restoreAllMocks());

/** In place of `process`: signals to send, and the exit code to wait for. */
class FakeProgram extends EventEmitter implements Program {
  readonly codes: number[] = [];
  #ended: (code: number) => void = () => undefined;
  readonly ended = new Promise<number>((resolve) => {
    this.#ended = resolve;
  });

  exit(code: number): void {
    this.codes.push(code);
    this.#ended(code);
  }
}

const steps: string[] = [];
const worker = defineServer({
  name: 'worker',
  init: (self, name: string) => {
    self.trapExit(true);
    steps.push(`start ${name}`);
    return { name };
  },
  cast: {
    crash: () => {
      throw new Error('broken');
    },
  },
  terminate: ({ name }) => void steps.push(`stop ${name}`),
});
const tree = (intensity = 0) =>
  defineSupervisor({
    name: 'tree',
    intensity,
    children: () => [
      child(worker, ['first'], { id: 'first' }),
      child(worker, ['second'], { id: 'second', name: 'second' }),
    ],
  });
const hangs = defineServer({
  name: 'hangs',
  init: () => undefined,
  terminate: () => new Promise<void>(() => undefined),
});

async function start(definition: ReturnType<typeof tree>, options: RunOptions = {}) {
  steps.length = 0;
  const [node, program] = [createNode(), new FakeProgram()];
  onTestFinished(() => node.stop());
  const root = await run(definition, [], { node, program, ...options });
  return { node, program, root };
}

describe('run', () => {
  test.each<NodeJS.Signals>(['SIGTERM', 'SIGINT', 'SIGHUP'])(
    'stops in order on %s, and ends with 0',
    async (signal) => {
      const { node, program, root } = await start(tree());
      expect(await root.countChildren()).toMatchObject({ active: 2 });
      program.emit(signal);
      expect(await program.ended).toBe(0);
      expect(steps).toEqual(['start first', 'start second', 'stop second', 'stop first']);
      expect(() => node.spawn(() => undefined)).toThrow('is stopped');
      expect([program.eventNames(), said]).toEqual([[], []]);
    },
  );

  test('ends with 1 when the root gives up, and says so', async () => {
    const { node, program } = await start(tree());
    node.exit(node.whereis('second') as never, 'kill');
    expect(await program.ended).toBe(1);
    expect(said.at(-1)).toBe('troupe: the root of the program has ended: shutdown');
  });

  test('ends with 0 when the root has ended normally', async () => {
    const { program, root } = await start(tree());
    await root.stop('normal');
    expect(await program.ended).toBe(0);
    expect(said).toEqual([]);
  });

  test('ends with 1 when the root does not start, and says why', async () => {
    const program = new FakeProgram();
    const broken = defineServer({
      name: 'broken',
      init: () => {
        throw new Error('no disk');
      },
    });
    void run(broken, [], { program });
    expect(await program.ended).toBe(1);
    expect(said.at(-1)).toContain('no disk');
  });

  test('does not wait longer than it may, nor after a second signal', async () => {
    const late = new FakeProgram();
    await run(hangs, [], { program: late, stopTimeoutMs: 20 });
    late.emit('SIGTERM');
    expect(await late.ended).toBe(1);
    const twice = new FakeProgram();
    await run(hangs, [], { program: twice, stopTimeoutMs: 86_400_000 });
    twice.emit('SIGINT');
    twice.emit('SIGINT');
    expect(await twice.ended).toBe(1);
    expect(said).toEqual([
      'troupe: the program was not stopped after 20 ms and is ended',
      'troupe: SIGINT while stopping: the program ends at once',
    ]);
  });

  test('a signal while it starts ends the start', async () => {
    const program = new FakeProgram();
    const slow = defineServer({ name: 'slow', init: () => new Promise<void>(() => undefined) });
    void run(slow, [], { program });
    program.emit('SIGTERM');
    expect(await program.ended).toBe(0);
    expect(program.codes).toEqual([0]);
  });

  test('takes other signals, the options of the start, and no bad time', async () => {
    const program = new FakeProgram();
    const node = createNode();
    await run(tree(), [], { node, program, name: 'root', signals: ['SIGUSR2'] });
    expect(node.whereis('root')).toBeDefined();
    expect(program.eventNames()).toEqual(['SIGUSR2']);
    program.emit('SIGUSR2');
    expect(await program.ended).toBe(0);
    await expect(run(tree(), [], { program, stopTimeoutMs: -1 })).rejects.toMatchObject({
      code: 'TROUPE_BAD_ARGUMENT',
    });
    expect(program.eventNames()).toEqual([]);
  });
});

describe('a program of its own', () => {
  const runtime = join(import.meta.dirname, '../../../src/runtime/index.ts');

  function program(body: string) {
    const folder = mkdtempSync(join(tmpdir(), 'troupe-run-'));
    const file = join(folder, 'program.mts');
    writeFileSync(
      file,
      `import { child, createNode, defineServer, defineSupervisor, run, serverRef } from ${JSON.stringify(runtime)};
const worker = defineServer({ name: 'worker', init(self) { self.trapExit(true); console.log('up'); }, terminate: () => console.log('down'), cast: { crash() { throw new Error('broken'); } } });
const tree = defineSupervisor({ name: 'tree', intensity: 0, children: () => [child(worker, [], { name: 'worker' })] });
${body}\n`,
    );
    const running = spawn(process.execPath, ['--import', 'tsx', file], { stdio: ['ignore', 'pipe', 'pipe'] });
    onTestFinished(() => {
      running.kill('SIGKILL');
      rmSync(folder, { recursive: true });
    });
    let [stdout, stderr] = ['', ''];
    running.stdout.setEncoding('utf8').on('data', (part: string) => (stdout += part));
    running.stderr.setEncoding('utf8').on('data', (part: string) => (stderr += part));
    const ended = once(running, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }));
    return { running, up: once(running.stdout, 'data'), ended };
  }

  test('stays alive while its tree is idle, until a signal', async () => {
    const { running, up, ended } = program('await run(tree);');
    await up;
    // An idle tree alone would let Node.js end here, and nobody would be stopped: the next test shows it.
    expect(running.kill('SIGTERM')).toBe(true);
    expect(await ended).toEqual({ code: 0, stdout: 'up\ndown\n', stderr: '' });
  });

  test('without run ends as soon as nothing is left to do', async () => {
    expect(await program('await createNode().start(tree);').ended).toEqual({
      code: 0,
      stdout: 'up\n',
      stderr: '',
    });
  });

  test('whose tree gives up ends with 1, and what it ended of is on standard error', async () => {
    const crashing = program(`
const node = createNode();
await run(tree, [], { node });
serverRef(node, worker, 'worker').cast('crash');`);
    const { code, stderr } = await crashing.ended;
    expect(code).toBe(1);
    expect(stderr).toContain('=CRASH REPORT====');
    expect(stderr).toContain('Error: broken');
    expect(stderr).toContain('errorContext: reached_max_restart_intensity');
    expect(stderr).toContain('troupe: the root of the program has ended: shutdown');
  });
});
