// Exit signals: who gets which, what they do, and that none of them is lost or told twice.
// Held to: Erlang reference manual, "Processes", sections "Termination", "Sending Exit Signals" and "Receiving Exit
// Signals"; erlang:exit/1, erlang:exit/2, erlang:link/1. Each row of the tables was tried on OTP, too.
import {
  call,
  Down,
  Exit,
  type ExitReason,
  formatReason,
  isCleanExit,
  isShutdown,
  type Pid,
  type Process,
} from 'troupe';
import { awaitExit, createProbe, settle } from 'troupe/testing';
import { describe, expect, test } from 'vitest';
import { deaf, idle, inProcess, makeNode } from './helpers.ts';

/** What a signal does to who gets it: ends it with a reason, arrives as a message with a reason, or nothing. */
type Effect = { readonly ends: ExitReason } | { readonly arrives: ExitReason } | 'ignored';

const rows: ReadonlyArray<{
  readonly reason: ExitReason;
  readonly how: 'exit/2 from another' | 'exit/2 to oneself' | 'exit/1 of a linked process';
  readonly untrapped: Effect;
  readonly trapped: Effect;
}> = [
  { how: 'exit/2 from another', reason: 'normal', untrapped: 'ignored', trapped: { arrives: 'normal' } },
  { how: 'exit/2 from another', reason: 'kill', untrapped: { ends: 'killed' }, trapped: { ends: 'killed' } },
  {
    how: 'exit/2 from another',
    reason: 'killed',
    untrapped: { ends: 'killed' },
    trapped: { arrives: 'killed' },
  },
  {
    how: 'exit/2 from another',
    reason: 'other',
    untrapped: { ends: 'other' },
    trapped: { arrives: 'other' },
  },
  {
    how: 'exit/2 from another',
    reason: ['shutdown', 1],
    untrapped: { ends: ['shutdown', 1] },
    trapped: { arrives: ['shutdown', 1] },
  },
  {
    how: 'exit/2 to oneself',
    reason: 'normal',
    untrapped: { ends: 'normal' },
    trapped: { arrives: 'normal' },
  },
  { how: 'exit/2 to oneself', reason: 'kill', untrapped: { ends: 'killed' }, trapped: { ends: 'killed' } },
  { how: 'exit/2 to oneself', reason: 'other', untrapped: { ends: 'other' }, trapped: { arrives: 'other' } },
  {
    how: 'exit/1 of a linked process',
    reason: 'normal',
    untrapped: 'ignored',
    trapped: { arrives: 'normal' },
  },
  // exit(kill) ends with the reason kill, and through a link that is a reason like any other.
  {
    how: 'exit/1 of a linked process',
    reason: 'kill',
    untrapped: { ends: 'kill' },
    trapped: { arrives: 'kill' },
  },
  {
    how: 'exit/1 of a linked process',
    reason: 'shutdown',
    untrapped: { ends: 'shutdown' },
    trapped: { arrives: 'shutdown' },
  },
  {
    how: 'exit/1 of a linked process',
    reason: 'other',
    untrapped: { ends: 'other' },
    trapped: { arrives: 'other' },
  },
];

const cases = rows.flatMap(({ how, reason, untrapped, trapped }) => [
  { how, reason, trapExit: false, effect: untrapped, title: formatReason(reason) },
  { how, reason, trapExit: true, effect: trapped, title: formatReason(reason) },
]);

test.each(cases)('$how with $title, trapping exits: $trapExit', async ({ how, reason, trapExit, effect }) => {
  const node = makeNode();
  const arrived: Exit[] = [];
  const receiver = node.spawnWith(
    { trapExit },
    {
      name: 'receiver',
      init: () => undefined,
      handle: (self: Process, message: unknown) => {
        if (message instanceof Exit) arrived.push(message);
        else if (message === 'exit yourself') self.exit(self.pid, reason);
      },
    },
  );
  const ended = awaitExit(node, receiver);
  await settle(node);
  let sender = receiver;
  if (how === 'exit/2 to oneself') {
    node.send(receiver, 'exit yourself');
  } else {
    sender = node.spawn((self) => {
      if (how === 'exit/2 from another') self.exit(receiver, reason);
      else self.link(receiver);
      self.exit(reason);
    });
  }
  await settle(node);
  const seen: Effect[] = arrived.map((exit) => ({ arrives: exit.reason }));
  if (!node.isAlive(receiver)) seen.push({ ends: await ended });
  expect(seen).toEqual(effect === 'ignored' ? [] : [effect]);
  expect(arrived.every(({ from }) => from.equals(sender))).toBe(true);
  node.exit(receiver, 'kill');
  await ended;
});

describe('exit/2', () => {
  test('erlang:exit/2 to a pid that is not alive has no effect', async () => {
    const node = makeNode();
    const dead = node.spawn(() => undefined);
    await settle(node);
    await expect(inProcess(node, (self) => self.exit(dead, 'any'))).resolves.toBeUndefined();
  });

  test('erlang:exit/2 has taken effect when it returns', async () => {
    const node = makeNode();
    const victim = node.spawn(idle);
    await inProcess(node, (self) => {
      self.exit(victim, 'now');
      expect(node.isAlive(victim)).toBe(false);
    });
  });

  test('erlang:exit/2: code after an exit signal to oneself does not run, in a sync function or an async one', async () => {
    const node = makeNode();
    let after = 0;
    const sync = node.spawn((self) => {
      self.exit(self.pid, 'done');
      after++;
    });
    const later = node.spawn(async (self) => {
      await Promise.resolve();
      self.exit(self.pid, 'done');
      after++;
    });
    expect(await Promise.all([awaitExit(node, sync), awaitExit(node, later)])).toEqual(['done', 'done']);
    await settle(node);
    expect(after).toBe(0);
  });

  test('reference manual: a process killed before it first runs never runs', async () => {
    const node = makeNode();
    let ran = false;
    const pid = node.spawn(() => {
      ran = true;
    });
    node.exit(pid, 'kill');
    await settle(node);
    expect(ran).toBe(false);
  });

  test('reference manual: a killed process tells killed, not kill, to its links', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    const victim = node.spawn(idle);
    probe.link(victim);
    node.exit(victim, 'kill');
    expect(await probe.receive()).toEqual(new Exit(victim, 'killed'));
  });
});

describe('exit/1', () => {
  test('erlang:exit/1 in a handler ends a behaviour; messages behind it are lost', async () => {
    const node = makeNode();
    const seen: unknown[] = [];
    const pid = node.spawn({
      name: 'one',
      init: () => undefined,
      handle: (self: Process, message: unknown) => {
        seen.push(message);
        self.exit('enough');
      },
    });
    const ended = awaitExit(node, pid);
    for (const message of [1, 2, 3]) node.send(pid, message);
    expect([await ended, seen]).toEqual(['enough', [1]]);
  });

  test('erlang:exit/1: the exception can be caught, as with catch exit(Reason); then the process goes on', async () => {
    const node = makeNode();
    const survived = await inProcess(node, (self) => {
      try {
        return self.exit('caught');
      } catch (thrown) {
        return (thrown as { reason: unknown }).reason;
      }
    });
    expect(survived).toBe('caught');
  });
});

describe('propagation', () => {
  test('reference manual: a signal goes through a whole group of linked processes', async () => {
    const node = makeNode();
    const members = Array.from({ length: 10 }, () => node.spawn(idle));
    await inProcess(node, (self) => {
      self.trapExit(true);
      for (const member of members) self.link(member);
      for (const member of members) self.unlink(member);
    });
    const ring = node.spawn(async (self) => {
      for (const member of members) self.link(member);
      await deaf(self);
    });
    await settle(node);
    node.exit(members[3] as Pid, 'all of you');
    expect([...members, ring].map((pid) => node.isAlive(pid))).toEqual(Array<boolean>(11).fill(false));
  });

  test('reference manual: normal does not go through a group; who traps exits stops the rest', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    const beyond = node.spawn(idle);
    const crashing = node.spawn(idle);
    probe.link(beyond);
    probe.link(crashing);
    node.exit(crashing, 'boom');
    expect(await probe.receive()).toEqual(new Exit(crashing, 'boom'));
    expect(node.isAlive(beyond)).toBe(true);
    probe.stop('normal');
    expect(node.isAlive(beyond)).toBe(true);
  });

  test('reference manual: each of two processes that end tells the one linked to both, once', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    const a = node.spawn(idle);
    const b = node.spawn(async (self) => {
      self.link(a);
      await deaf(self);
    });
    await settle(node);
    probe.link(a);
    probe.link(b);
    node.exit(a, 'boom');
    await settle(node);
    expect(probe.messages()).toEqual([new Exit(a, 'boom'), new Exit(b, 'boom')]);
  });

  test('reference manual, "Signal Delivery": a message sent before the end arrives before the exit', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    const sender = node.spawn((self) => {
      self.link(probe.pid);
      self.send(probe.pid, 'last words');
      self.exit('gone');
    });
    await settle(node);
    expect(probe.messages()).toEqual(['last words', new Exit(sender, 'gone')]);
  });

  test('a chain of 100,000 linked processes ends, with the reason that the first had', async () => {
    const node = makeNode();
    const length = 100_000;
    const linkTo = (self: Process, other: Pid | undefined): Promise<unknown> => {
      if (other !== undefined) self.link(other);
      return deaf(self);
    };
    const first = node.spawn(linkTo, undefined);
    let last = first;
    for (let i = 1; i < length; i++) last = node.spawn(linkTo, last);
    await settle(node, { withinMs: 20_000 });
    expect(node.processes()).toHaveLength(length + 1);
    const ended = awaitExit(node, last);
    node.exit(first, 'boom');
    expect(await ended).toBe('boom');
    expect(node.processes()).toEqual([node.initPid]);
  });

  test('a star of 100,000 processes linked to one ends with it', async () => {
    const node = makeNode();
    const leaves: Pid[] = [];
    const centre = node.spawn(async (self) => {
      for (let i = 0; i < 100_000; i++) leaves.push(self.spawnLink(idle));
      await deaf(self);
    });
    await settle(node, { withinMs: 20_000 });
    const ended = awaitExit(node, leaves.at(-1) as Pid);
    node.exit(centre, 'kill');
    expect(await ended).toBe('killed');
    expect(node.processes()).toEqual([node.initPid]);
  });
});

describe('reasons', () => {
  test('gen_server, "terminate": normal, shutdown and {shutdown, Term} are no failures', () => {
    const clean = ['normal', 'shutdown', ['shutdown', 'why'], ['shutdown', undefined]];
    const failures = [
      'killed',
      'noproc',
      undefined,
      ['shutdown'],
      ['shutdown', 1, 2],
      new Error('shutdown'),
      'x',
    ];
    expect(clean.map(isCleanExit)).toEqual([true, true, true, true]);
    expect(clean.map(isShutdown)).toEqual([false, true, true, true]);
    expect(failures.map(isCleanExit)).toEqual(failures.map(() => false));
    expect(failures.map(isShutdown)).toEqual(failures.map(() => false));
  });

  test('a reason prints on one line', () => {
    const cyclic: { self?: unknown } = {};
    cyclic.self = cyclic;
    expect(
      ['normal', ['shutdown', ['a', 1]], new TypeError('bad'), { a: 1 }, 5, undefined, null].map(
        formatReason,
      ),
    ).toEqual(['normal', '{shutdown, {a, 1}}', 'TypeError: bad', '{"a":1}', '5', 'undefined', 'null']);
    expect(formatReason(cyclic)).toBe('[object]');
  });

  test('a reason that has no text, or whose own code throws, prints all the same', () => {
    const itself: unknown[] = ['again'];
    itself.push(itself, itself);
    class Mute extends Error {
      override get message(): string {
        throw new Error('no words');
      }
    }
    const throwing = new Proxy(() => 1, { get: () => fail() });
    function fail(): never {
      throw new Error('no properties');
    }
    expect(formatReason(Object.create(null))).toBe('{}');
    expect(formatReason(['nocatch', Object.create(null)])).toBe('{nocatch, {}}');
    expect(formatReason(new Mute())).toBe('[object]');
    expect(formatReason(throwing)).toBe('[function]');
    expect(formatReason(itself).length).toBeLessThan(20_000);
  });

  test('a process ends, and all are notified, whatever the reason', async () => {
    const node = makeNode();
    const reason: unknown = Object.create(null);
    const probe = createProbe(node);
    const receiving = node.spawn(deaf);
    await settle(node);
    probe.link(receiving);
    const ref = probe.monitor(receiving);
    const answer = call(node, receiving, 'anything', 1).catch((error: unknown) => error);
    node.exit(receiving, reason);
    expect([await probe.receive(), await probe.receive()]).toEqual(
      expect.arrayContaining([new Exit(receiving, reason), new Down(ref, receiving, reason)]),
    );
    expect(await answer).toMatchObject({ code: 'TROUPE_CALL_EXIT', reason });
  });
});
