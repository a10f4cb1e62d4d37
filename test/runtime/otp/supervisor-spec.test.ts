// Flags and child specs: "Supervisor flags", "Child specification" of the OTP module `supervisor`; check_childspecs/2.
import { describe, expect, test } from 'vitest';
import {
  child,
  childProcess,
  type ChildSpec,
  type ChildTemplate,
  childTemplate,
  defineDynamicSupervisor,
  defineServer,
  defineSupervisor,
  ignore,
  type SupervisorFlags,
  type TroupeError,
} from 'troupe';
import { checkChildSpec, checkChildSpecs, checkFlags } from '../../../src/runtime/otp/internal.ts';
import { idle, makeNode } from '../process/helpers.ts';
import { failure, thrown } from './helpers.ts';

const start = () => undefined;

describe('supervisor flags (sup_flags())', () => {
  test('have the defaults of OTP: one_for_one, 1 restart in 5 s, never', () => {
    expect(checkFlags({})).toEqual({
      name: 'supervisor',
      strategy: 'one_for_one',
      intensity: 1,
      periodMs: 5_000,
      autoShutdown: 'never',
    });
  });

  test.each<[string, object]>([
    ['name', { name: '' }],
    ['name', { name: 5 }],
    ['strategy', { strategy: 'all_for_one' }],
    ['intensity', { intensity: -1 }],
    ['intensity', { intensity: 1.5 }],
    ['intensity', { intensity: Infinity }],
    ['periodMs', { periodMs: 0 }],
    ['periodMs', { periodMs: '5' }],
    ['autoShutdown', { autoShutdown: 'always' }],
  ])('with a wrong %s are refused when the supervisor is defined: %o', (field, flags) => {
    const error = thrown(() => defineSupervisor({ ...(flags as SupervisorFlags), children: [] }));
    expect(error.code).toBe('TROUPE_BAD_CHILD_SPEC');
    expect(error.message).toContain(`${field} must be`);
  });

  test('of a dynamic supervisor are checked, too', () => {
    const error = thrown(() => defineDynamicSupervisor({ intensity: -1, child: { start } }));
    expect(error.code).toBe('TROUPE_BAD_CHILD_SPEC');
  });

  test('an intensity of 0 is allowed', () => {
    expect(checkFlags({ intensity: 0 }).intensity).toBe(0);
  });
});

describe('a child spec (child_spec())', () => {
  test('has the defaults of OTP for a worker and for a supervisor', () => {
    function startIt(): undefined {}
    const worker = { restart: 'permanent', significant: false, type: 'worker', shutdown: 5_000 };
    expect(checkChildSpec({ id: 'a', start: startIt }, 'never')).toEqual({
      ...worker,
      id: 'a',
      start: startIt,
      modules: ['startIt'],
    });
    expect(checkChildSpec({ id: 'a', start, type: 'supervisor' }, 'never')).toMatchObject({
      type: 'supervisor',
      shutdown: 'infinity',
    });
    expect(checkChildSpec({ id: 'a', start: () => undefined, modules: [] }, 'never').modules).toEqual([]);
  });

  test('keeps what is given', () => {
    const spec = {
      id: 'a',
      start,
      restart: 'transient',
      significant: true,
      type: 'supervisor',
      shutdown: 0,
      modules: ['one', 'two'],
    };
    expect(checkChildSpec(spec, 'any_significant')).toEqual(spec);
  });

  test.each<[string, unknown]>([
    ['must be an object', 'a'],
    ['must be an object', null],
    ['id must be', { start }],
    ['id must be', { id: '', start }],
    ['id must be', { id: Object.create(null) as unknown, start }],
    ['start must be', { id: 'a' }],
    ['restart must be', { id: 'a', start, restart: 'always' }],
    ['type must be', { id: 'a', start, type: 'server' }],
    ['shutdown must be', { id: 'a', start, shutdown: 'never' }],
    ['shutdown must be', { id: 'a', start, shutdown: -1 }],
    ['shutdown must be', { id: 'a', start, shutdown: 1.5 }],
    ['shutdown must be', { id: 'a', start, shutdown: Infinity }],
    ['shutdown must be', { id: 'a', start, shutdown: 2 ** 32 }],
    ['significant must be', { id: 'a', start, significant: 'yes' }],
    ['modules must be', { id: 'a', start, modules: 'a' }],
    ['modules must be', { id: 'a', start, modules: [1] }],
  ])('%s: %o', (rule, spec) => {
    const error = thrown(() => checkChildSpec(spec, 'any_significant'));
    expect(error.code).toBe('TROUPE_BAD_CHILD_SPEC');
    expect(error.message).toContain(rule);
  });

  test('is not significant in a supervisor that never shuts itself down, nor when permanent (bad_combination)', () => {
    const spec = { id: 'a', start, restart: 'transient', significant: true };
    expect(checkChildSpec(spec, 'all_significant').significant).toBe(true);
    expect(thrown(() => checkChildSpec(spec, 'never')).message).toContain("autoShutdown is 'never'");
    const permanent = { ...spec, restart: 'permanent' };
    expect(thrown(() => checkChildSpec(permanent, 'any_significant')).message).toContain('permanent');
  });

  test('shares its id with no other (duplicate_child_name)', () => {
    const twins = [
      { id: 'a', start },
      { id: 'b', start },
      { id: 'a', start },
    ];
    expect(thrown(() => checkChildSpecs(twins, 'never')).message).toContain(
      "'a': another child has the same id",
    );
    expect(thrown(() => checkChildSpecs({}, 'never')).message).toContain('must be an array');
  });
});

describe('child(), childProcess() and childTemplate()', () => {
  const server = defineServer({ name: 'note_index', init: () => 1 });
  const supervisor = defineSupervisor({ name: 'inner', children: [] });
  const dynamic = defineDynamicSupervisor({ name: 'connections', child: childTemplate(server) });

  test.each<[string, ChildSpec | ChildTemplate<readonly []>, object]>([
    ['the name of what is started', child(server), { id: 'note_index', modules: ['note_index'] }],
    ['the registered name', child(server, [], { name: 'index' }), { id: 'index', modules: ['note_index'] }],
    ['the id that is given', child(server, [], { id: 'i', name: 'index' }), { id: 'i' }],
    ['the name of a behaviour', childProcess(idle), { id: 'idle', modules: ['idle'] }],
    ['the name of a template', childTemplate(server, { id: 'one' }), { id: 'one', modules: ['note_index'] }],
  ])('take as id %s', (_what, spec, expected) => {
    expect(spec).toMatchObject(expected);
  });

  test('know a supervisor', () => {
    for (const spec of [child(supervisor), child(dynamic), childTemplate(supervisor)]) {
      expect(spec.type).toBe('supervisor');
    }
    expect(child(supervisor, [], { type: 'worker' }).type).toBe('worker');
    expect(child(server).type).toBeUndefined();
  });

  test('pass on what they do not know to the start', async () => {
    const node = makeNode();
    const spec = child(server, [], { id: 'i', name: 'index', label: 'the index', restart: 'temporary' });
    const tree = await node.start(defineSupervisor({ children: [spec] }));
    const [info] = await tree.whichChildren();
    expect(node.whereis('index')).toBe(info?.pid);
    expect(node.processInfo(node.whereis('index') ?? node.initPid)?.label).toBe('the index');
  });

  test('an anonymous function has no id', async () => {
    const node = makeNode();
    const tree = defineSupervisor({ children: [childProcess(() => undefined)] });
    const error = await failure(node.start(tree));
    expect((error.reason as TroupeError).message).toContain('id must be');
  });
});

describe('Module:init/1', () => {
  test('children may be given as they are, or made from the arguments', async () => {
    const node = makeNode();
    const given = await node.start(defineSupervisor({ children: [childProcess(idle)] }));
    expect(await given.countChildren()).toMatchObject({ specs: 1, active: 1 });
    const made = defineSupervisor({
      children: (count: number) =>
        Array.from({ length: count }, (_, i) => childProcess(idle, [], { id: `i${i}` })),
    });
    expect(await (await node.start(made, [3])).countChildren()).toMatchObject({ specs: 3, active: 3 });
  });

  test('ignore: the start answers undefined and the process ends with normal', async () => {
    const node = makeNode();
    const optional = defineSupervisor({ children: (wanted: boolean) => (wanted ? [] : ignore()) });
    expect(await node.start(optional, [false])).toBeUndefined();
    expect(node.processes()).toEqual([node.initPid]);
    expect(await (await node.start(optional, [true]))?.whichChildren()).toEqual([]);
  });

  test('wrong specs fail the start with the error as reason, and nothing is started', async () => {
    const node = makeNode();
    let started = 0;
    const counted = { id: 'a', start: () => void started++ };
    const error = await failure(node.start(defineSupervisor({ children: [counted, counted] })));
    expect(error.code).toBe('TROUPE_START_FAILED');
    expect((error.reason as TroupeError).code).toBe('TROUPE_BAD_CHILD_SPEC');
    expect(started).toBe(0);
    expect(node.processes()).toEqual([node.initPid]);
  });

  test('what it throws fails the start', async () => {
    const node = makeNode();
    const broken = defineSupervisor({
      children: () => {
        throw new Error('no settings');
      },
    });
    expect((await failure(node.start(broken))).reason).toEqual(new Error('no settings'));
  });

  test('a wrong template fails the start', async () => {
    const node = makeNode();
    const broken = defineDynamicSupervisor({ child: { start, shutdown: -1 } });
    expect(((await failure(node.start(broken))).reason as TroupeError).message).toContain('shutdown must be');
  });
});
