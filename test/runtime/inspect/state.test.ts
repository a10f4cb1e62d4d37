// How the inspector shows the states of processes: bounded, without running anything of the program, and of a supervisor what tells
// people something.
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  child,
  childTemplate,
  createNode,
  defineDynamicSupervisor,
  defineServer,
  defineSupervisor,
  type Node,
  sys,
} from 'troupe';
import { type Inspector, inspectNode } from 'troupe/inspect';

const counter = defineServer({ name: 'counter', init: () => ({ count: 0 }) });
let node: Node;
let inspector: Inspector;

beforeEach(() => {
  node = createNode();
  inspector = inspectNode(node);
});
afterEach(() => node.stop());

describe('a large state', () => {
  const stateOf = async (state: object): Promise<string | undefined> => {
    const holder = defineServer({ name: 'holder', init: () => state });
    const { pid } = await node.start(holder, []);
    return (await inspector.process(pid.toString())).state;
  };
  const keyed = (count: number, value: unknown): object =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`key${index}`, value]));

  test('with more properties than are worth the time is counted', async () => {
    expect(await stateOf(keyed(100_000, 1))).toBe('[100000 properties]');
  });

  test('is shown less deep the more there is in it', async () => {
    const leaf = { leaf: { of: { a: { tree: 1 } } } };
    expect(await stateOf({ few: leaf })).toContain('tree: 1');
    expect(await stateOf(keyed(500, leaf))).toMatch(/key0: \{ leaf: \{ of: \[Object\] \} \}/);
    expect(await stateOf({ a: keyed(2_500, leaf), b: 1 })).toMatch(/a: \[Object\], b: 1/);
  });

  test('is not run: getters and proxies are left alone', async () => {
    const touched: string[] = [];
    const state = {
      get value() {
        touched.push('getter');
        return 1;
      },
      proxy: new Proxy({}, { ownKeys: () => (touched.push('trap'), []) }),
      map: new Map([[{ of: 'keys' }, new Set(['element'])]]),
      bytes: new DataView(new ArrayBuffer(8)),
    };
    expect(await stateOf(state)).toMatch(/\[Getter\].*element/);
    expect(touched).toEqual([]);
  });
});

describe('the state of a supervisor', () => {
  test('is its flags and its children', async () => {
    const root = defineSupervisor({
      strategy: 'rest_for_one',
      intensity: 3,
      children: () => [
        child(counter, [], { id: 'one' }),
        child(counter, [], { id: 'two', restart: 'transient' }),
      ],
    });
    const supervisor = await node.start(root);
    await supervisor.terminateChild('two');
    const [one] = await supervisor.whichChildren();
    expect((await inspector.process(supervisor.pid.toString())).state).toBe(
      "{ name: 'supervisor', strategy: 'rest_for_one', intensity: 3, periodMs: 5000, autoShutdown: 'never', children: " +
        `[ { id: 'one', pid: ${String(one?.pid)}, type: 'worker', restart: 'permanent' }, ` +
        "{ id: 'two', pid: undefined, type: 'worker', restart: 'transient', status: 'stopped' } ] }",
    );
    expect(inspect(await sys.getState(node, supervisor.pid))).toMatch(/^\{\s+name: 'supervisor'.*id: 'one'/s);
  });

  test('with very many children has the first of them', async () => {
    const many = defineDynamicSupervisor({ child: childTemplate(counter, { restart: 'temporary' }) });
    const supervisor = await node.start(many);
    for (let count = 0; count < 25; count++) await supervisor.startChild([]); // oxlint-disable-line no-await-in-loop
    const { state } = await inspector.process(supervisor.pid.toString());
    expect(state).toContain("strategy: 'simple_one_for_one'");
    expect(state?.split("restart: 'temporary'")).toHaveLength(21);
    expect(state).toMatch(/more: 5 \}$/);
  });
});
