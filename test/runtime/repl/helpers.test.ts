// The helpers, against a running application of two nodes.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  type Application,
  attachTo,
  startApplication,
  temporaryFolder,
  type TestClient,
} from './application.ts';

const folder = temporaryFolder();
let application: Application;
const clients: TestClient[] = [];

beforeAll(async () => {
  application = await startApplication(folder.path);
});
afterEach(() => {
  for (const { connection } of clients.splice(0)) connection.close();
});
afterAll(async () => {
  await application.kill();
  folder.remove();
});

async function client(how?: Parameters<typeof attachTo>[1]): Promise<TestClient> {
  const attached = await attachTo(application, how);
  clients.push(attached);
  return attached;
}

/** Runs lines one after the other. @returns what each came to */
async function runAll(repl: TestClient, ...lines: string[]): Promise<string[]> {
  const results: string[] = [];
  for (const line of lines) {
    // oxlint-disable-next-line no-await-in-loop
    results.push(await repl.run(line));
  }
  return results;
}

describe('processes', () => {
  test('processes() lists them, sorted, cut and chosen', async () => {
    const repl = await client();
    const rows = (await repl.run('processes()')).split('\n');
    expect(rows[0]).toMatch(/^PID +NAME +LABEL +STATUS +MAILBOX +HANDLED$/);
    expect(rows[1]).toMatch(/^<0\.0\.0> +init +init +waiting +0 +0$/);
    expect(rows.join('\n')).toMatch(/<0\.4\.0> +listens to notes +waiting/);
    const [byMailbox, limited, chosen] = await runAll(
      repl,
      "for (let i = 0; i < 3; i++) send('<0.4.0>', i); processes({sort: 'mailbox', limit: 1}).map(({pid, mailbox}) => `${pid} ${mailbox}`)",
      'processes({limit: 2}).length',
      'processes({match: /^nova/}).map(({name}) => name)',
    );
    expect(byMailbox).toBe("[ '<0.4.0> 3' ]");
    expect(limited).toBe('2');
    expect(chosen).toBe("[ 'nova_scope' ]");
    expect(await repl.run("processes({match: 'nobody at all'})")).toBe('no process matches');
    expect(await repl.run('processes({limit: -1})')).toBe('! ** limit is a whole number');
    expect(await repl.run("processes().filter(({name}) => name === 'counter')[0].pid")).toBe('<0.3.0>');
  });

  test('a process is given by pid, text or name', async () => {
    const repl = await client();
    const forms = [
      "'counter'",
      "'<0.3.0>'",
      "pid('<0.3.0>')",
      'pid(0, 3, 0)',
      "whereis('counter')",
      '{pid: pid(0, 3, 0)}',
    ];
    const names = await runAll(repl, ...forms.map((form) => `info(${form}).registeredName`));
    expect(names).toEqual(forms.map(() => "'counter'"));
    expect(await repl.run('whereis()')).toMatch(/^! \*\* name a process by/);
  });

  test('info() shows one thing a line, and is data', async () => {
    const repl = await client();
    expect(await repl.run("info('counter')")).toMatch(/^pid +<0\.3\.0>\nregisteredName +counter\n/);
    expect(await repl.run("info('listener')")).toBe(
      "! ** no process is registered as 'listener'; registered() lists the names",
    );
    expect(await repl.run("info('counter').trapExit")).toBe('false');
  });

  test('spawn, monitor, link, unlink, exit', async () => {
    const repl = await client();
    const results = await runAll(
      repl,
      "const wait = (self) => self.receive((message) => message === 'end')",
      'const one = spawn(wait); monitor(one); exit(one, ["because"])',
      '(await receive()).reason',
      'const two = spawn(wait); link(two); unlink(two); exit(two, "silent")',
      'flush()',
      'exit(two, "again")',
      'spawn(1)',
    );
    expect(results.slice(1)).toEqual([
      'true',
      "[ 'because' ]",
      'true',
      'no messages',
      expect.stringMatching(/^! \*\* process <[\d.]+> is not alive$/),
      '! ** spawn(fn) needs a function',
    ]);
  });

  test('what is linked to a REPL ends with it', async () => {
    const [one, two] = [await client(), await client()];
    const linked = await one.run('const mine = spawn((self) => self.receive()); link(mine); mine');
    await two.run(`monitor('${linked}')`);
    one.connection.close();
    expect(await two.run('(await receive()).reason')).toBe("'shutdown'");
  });

  test('servers are looked into, held and let go on', async () => {
    const repl = await client();
    const [added, state, status, held, late, resumed, again] = await runAll(
      repl,
      "cast('counter', 'reset'); call('counter', 'add', 5)",
      "getState('counter')",
      "(await getStatus('counter')).status",
      "suspend('counter')",
      "call('counter', 'add', 1, {timeoutMs: 20})",
      "resume('counter')",
      "call('counter', 'add', 1)",
    );
    expect([added, state, status, held, resumed]).toEqual(['5', '{ count: 5 }', "'running'", "'ok'", "'ok'"]);
    expect(late).toMatch(/^! \*\* Call 'add' to <0\.3\.0> was not answered\..*TROUPE_CALL_TIMEOUT/);
    expect(again).toBe('7');
  });

  test('the state of a server is replaced, unless the function fails', async () => {
    const repl = await client();
    const [made, added, failed, kept, wrong] = await runAll(
      repl,
      "replaceState('counter', (state) => ({ ...state, count: 40 }))",
      "call('counter', 'add', 2)",
      "replaceState('counter', () => { throw new Error('no') })",
      "getState('counter')",
      "replaceState('counter', { count: 1 })",
    );
    expect([made, added, kept]).toEqual(['{ count: 40 }', '42', '{ count: 42 }']);
    expect(failed).toMatch(/^! \*\* .*TROUPE_SYSTEM_FAILED/);
    expect(wrong).toMatch(/^! \*\* replaceState\(server, fn\) needs a function/);
  });

  test('observer() says how a page is served while there is none', async () => {
    const repl = await client();
    expect(await repl.run('observer()')).toMatch(
      /^! \*\* no page observes this node: register troupe\/observer/,
    );
  });

  test('a call that is given up ends, and the next line runs', async () => {
    const repl = await client();
    const hanging = repl.run("console.log('begun'); await call('counter', 'never', 0, {timeoutMs: 60_000})");
    await repl.prints('begun');
    repl.connection.cancel();
    expect(await hanging).toBe('! ** given up; what it waited for goes on');
    expect(await repl.run('2')).toBe('2');
    expect(repl.printed.join('')).toBe('begun\n');
    await repl.run("exit('counter', 'kill')");
  });

  test('nodes(), node and self()', async () => {
    const repl = await client();
    expect(await repl.run('nodes()')).toBe("[ 'other@test' ]");
    expect(await repl.run('node')).toMatch(/^node fixture@test, \d+ processes$/);
    expect(await repl.run('self()')).toBe(repl.connection.pid);
    expect(await repl.run('info(self()).currentBehaviour')).toBe("'repl'");
  });

  test('peers() shows the connections with other nodes', async () => {
    const repl = await client();
    const lines = (await repl.run('peers()')).split('\n');
    expect(lines).toEqual([
      'NODE        STATE       KIND    SINCE                     SENT  BYTES  RECEIVED  BYTES  QUEUED',
      'erl@test    up          Erlang  1970-01-01T00:00:00.000Z     0      0         0      0       0',
      'new@test    connecting          1970-01-01T00:00:00.000Z     0      0         0      0       0',
      'other@test  up          Troupe  1970-01-01T00:00:00.000Z     3    300         2    200      17',
    ]);
    expect(await repl.run('peers().map(({ name }) => name)')).toBe(
      "[ 'erl@test', 'new@test', 'other@test' ]",
    );
  });

  test('processes of other nodes can be sent to and called, not looked at', async () => {
    const repl = await client();
    const [added, far] = await runAll(
      repl,
      "call({name: 'far_counter', node: 'other@test'}, 'add', 3)",
      "members('far')",
    );
    expect(added).toBe('3');
    expect(far).toMatch(/^PID +JOINED +NAME +LABEL\n<1\.\d+\.0> +1 +on other@test$/);
    const pid = /<1\.\d+\.0>/.exec(far as string)?.[0] as string;
    expect(await repl.run(`send('${pid}', 'stop')`)).toBe("'stop'");
    expect(await repl.run(`info('${pid}')`)).toBe(
      `! ** ${pid} lives on other@test; attach to the REPL there to look at it`,
    );
    expect(await repl.run("call({name: 'nobody', node: 'fixture@test'}, 'add', 1)")).toMatch(
      /^! \*\* no process is registered/,
    );
  });
});

describe('groups and channels', () => {
  test('scopes(), groups(), members(), localMembers()', async () => {
    const repl = await client();
    const [scopes, groups, rooms, members, local] = await runAll(
      repl,
      'scopes()',
      'groups().filter(({group}) => group === "notes")',
      "groups('rooms')",
      "members(['room', 1], 'rooms').map(String)",
      "localMembers('notes')",
    );
    expect(scopes).toMatch(/^SCOPE +PID +GROUPS\nnova_scope +<0\.5\.0> +\d+\nrooms +<0\.2\.0> +1$/);
    expect(groups).toBe("[ { group: 'notes', members: 1, local: 1 } ]");
    expect(rooms).toBe("GROUP          MEMBERS  LOCAL\n[ 'room', 1 ]        1      1");
    expect(members).toBe("[ '<0.4.0>' ]");
    expect(local).toMatch(/<0\.4\.0> +1 +listens to notes/);
  });

  test('members() shows who has joined several times once, with the number; its value has each as often', async () => {
    const repl = await client();
    const [, , shown, local, size] = await runAll(
      repl,
      "join('twice')",
      "join('twice')",
      "members('twice')",
      "localMembers('twice')",
      "members('twice').length",
    );
    expect(shown).toMatch(/^PID +JOINED +NAME +LABEL\n<0\.\d+\.0> +2 +repl.*$/);
    expect(local).toBe(shown);
    expect(size).toBe('2');
  });

  test('join, broadcast, flush, leave', async () => {
    const repl = await client();
    const results = await runAll(
      repl,
      "join('talk')",
      "broadcast('talk', 'said', {text: 'hello'})",
      "send(self(), ['plain', 1n])",
      'flush()',
      'flush()',
      "leave('talk')",
      "leave('talk')",
      "broadcast('talk', 'said', 1)",
      "broadcast('', 'said', 1)",
      "broadcast('talk', '', 1)",
      'join(5)',
    );
    expect(results).toEqual([
      "'ok'",
      "'ok'",
      "[ 'plain', 1n ]",
      `Broadcast { channel: 'talk', sender: ${repl.connection.pid}, topic: 'said', payload: { text: 'hello' } }\n[ 'plain', 1n ]`,
      'no messages',
      "'ok'",
      "! ** this REPL has not joined 'talk'",
      "'ok'",
      "! ** name a channel by its string, such as 'notes'",
      expect.stringMatching(/^! \*\* The topic is an empty string\..*TROUPE_BAD_CHANNEL/),
      "! ** name a channel by its string, such as 'notes'",
    ]);
  });

  test('flush() is data, too', async () => {
    const repl = await client({ json: true });
    await repl.run("join('talk'); broadcast('talk', 'said', {at: new Date(0)})");
    expect(JSON.parse(await repl.run('flush()'))).toEqual([
      {
        channel: 'talk',
        sender: repl.connection.pid,
        topic: 'said',
        payload: { at: '1970-01-01T00:00:00.000Z' },
      },
    ]);
  });

  test('watch prints each message once, until unwatch', async () => {
    const [one, two] = [await client(), await client()];
    await runAll(one, "watch('seen')", "watch('seen')", "watch({name: 'other'})");
    expect(await two.run("members('seen').length")).toBe('1');
    await two.run(
      "broadcast('seen', 'a', 1); broadcast('other', 'b', 2); broadcast('seen', 'c', {deep: [1, [2, [3]]]})",
    );
    await one.prints('[seen] c');
    const sender = two.connection.pid;
    expect(one.printed.join('')).toBe(
      `[seen] a from ${sender}: 1\n[other] b from ${sender}: 2\n[seen] c from ${sender}: { deep: [ 1, [ 2, [ 3 ] ] ] }\n`,
    );
    expect(await runAll(one, "unwatch('seen')", 'unwatch()', 'unwatch()', 'flush()')).toEqual([
      "'ok'",
      "'ok'",
      "'ok'",
      'no messages',
    ]);
    expect(await two.run("groups().some(({group}) => group === 'seen' || group === 'other')")).toBe('false');
  });

  test('a watch that is killed is reported, and can be set again', async () => {
    const repl = await client();
    await repl.run("watch('frail')");
    await repl.run("exit(members('frail')[0], 'kill')");
    await repl.prints('killed');
    await repl.run("watch('frail'); broadcast('frail', 'x', 1)");
    await repl.prints('[frail] x');
    expect(repl.printed.filter((text) => text.includes('frail'))).toHaveLength(1);
  });

  test('what a message holds cannot control the terminal', async () => {
    const repl = await client();
    await repl.run(
      String.raw`watch('a\u001b[2J'); broadcast('a\u001b[2J', 't\u0007', '\u001b]0;title\u0007')`,
    );
    await repl.prints('title');
    expect(repl.printed.join('')).toContain(String.raw`[a\x1B[2J] t\x07 from `);
    // oxlint-disable-next-line no-control-regex
    expect(repl.printed.join('')).not.toMatch(/[\u0000-\u0009\u000B-\u001F]/);
    const crafted = String.raw`throw new Error('\u001b[2J\u009b1m')`;
    // oxlint-disable-next-line no-control-regex
    expect(await repl.run(crafted)).not.toMatch(/[\u0000-\u0009\u000B-\u001F\u007F-\u009F]/);
  });
});

describe('tree()', () => {
  test('draws supervisors with their children, and the others below who spawned them', async () => {
    const repl = await client();
    const own = await repl.run('const worker = spawn((self) => self.receive()); worker');
    const lines = (await repl.run('tree()')).split('\n');
    expect(lines.slice(0, 3)).toEqual([
      'init <0.0.0>',
      '├─ fixture <0.1.0> (one_for_one)',
      '│  ├─ rooms <0.2.0> pg scope rooms',
    ]);
    expect(lines).toContain('│  ├─ listener <0.4.0> listens to notes');
    expect(lines.some((line) => line.startsWith('│  └─ repl_server <'))).toBe(true);
    const session = lines.findIndex((line) => line.endsWith(`repl ${repl.connection.pid}`));
    expect(lines[session]).toMatch(/^│ {5}[├└]─ repl /);
    expect(lines[session + 1]).toMatch(new RegExp(`^│ {5}[│ ] {2}└─ anonymous ${own}$`));
    await repl.run("exit(worker, 'kill')");
  });

  test('shows children that do not run, and leaves out what is too many', async () => {
    const repl = await client();
    const { run } = repl;
    await run(
      "const { supervisorRef } = await import('./src/runtime/index.ts'); const sup = supervisorRef(node, pid(0, 1, 0))",
    );
    expect(await run("(await sup.terminateChild('rooms')).ok")).toBe('true');
    expect(await run('tree()')).toContain('│  ├─ rooms (stopped)\n');
    expect(await run("(await sup.restartChild('rooms')).ok")).toBe('true');
    await run('const many = Array.from({length: 40}, () => spawn((self) => self.receive()))');
    expect(await run('tree()')).toMatch(/└─ … 10 more/);
    await run("for (const one of many) exit(one, 'kill')");
  });
});

describe('help()', () => {
  test('names all helpers, and one with what it does', async () => {
    const repl = await client();
    const all = await repl.run('help()');
    for (const name of [
      'processes',
      'info',
      'registered',
      'tree',
      'scopes',
      'groups',
      'members',
      'localMembers',
      'join',
      'leave',
      'broadcast',
      'watch',
      'unwatch',
      'send',
      'call',
      'exit',
      'pid',
      'self',
      'flush',
    ]) {
      expect(all).toMatch(new RegExp(`^ {2}${name}\\(`, 'm'));
      // oxlint-disable-next-line no-await-in-loop
      expect(await repl.run(`typeof ${name}`)).toBe("'function'");
    }
    expect(all).toContain('broken, fails');
    expect(await repl.run("help('members')")).toMatch(
      /^members\('group', 'scope'\)\n {2}the members of a group/,
    );
    expect(await repl.run('help(members)')).toBe(await repl.run("help('members')"));
  });
});
