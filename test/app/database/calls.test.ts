// How calls are carried out, on sessions that do what the test says.
import { drizzle } from 'drizzle-orm/postgres-js';
import { describe, expect, test } from 'vitest';
import { Calls, type Session, type SessionSource } from '../../../src/app/database/internal.ts';

/** A connection that is never used: the statements of these tests are commands. */
const db = drizzle.mock();
const closed = Object.assign(new Error('closed'), { code: 'CONNECTION_CLOSED' });
const refused = Object.assign(new Error('refused'), { code: '40P01', severity: 'ERROR' });
const never = (): Promise<never> => new Promise(() => {});

interface Fake {
  readonly calls: Calls;
  readonly log: string[];
}

/** Sessions that note what happens to them; `answer` says what a command ends with. */
function fake(
  timeoutMs: number,
  options: {
    answer?: (text: string) => Promise<string>;
    acquire?: (session: Session) => Promise<Session>;
  } = {},
): Fake {
  const {
    answer = (text) => Promise.resolve(text.toUpperCase()),
    acquire = (session) => Promise.resolve(session),
  } = options;
  const log: string[] = [];
  const session: Session = {
    db,
    command: (text) => {
      log.push(text);
      return answer(text);
    },
  };
  const source: SessionSource = {
    acquire: () => {
      log.push('acquire');
      return acquire(session);
    },
    release: () => log.push('release'),
    discard: () => log.push('discard'),
    suspect: (message) => log.push(`suspect: ${message}`),
  };
  return { calls: new Calls(source, { activeMax: 1, waitingMax: 1, timeoutMs }), log };
}

describe('a call that fails', () => {
  test('says whether it may have been carried out', async () => {
    const unsent = fake(20, { acquire: never });
    await expect(unsent.calls.run(never)).rejects.toMatchObject({ reason: 'timeout', maybeDone: false });
    const unanswered = fake(20);
    await expect(unanswered.calls.run(never)).rejects.toMatchObject({ reason: 'timeout', maybeDone: true });
    const broken = fake(10_000);
    const work = broken.calls.run(() => Promise.reject(closed));
    await expect(work).rejects.toMatchObject({ reason: 'unreachable', maybeDone: true });
    const full = fake(10_000);
    const [, , third] = [1, 2, 3].map(() => full.calls.run(never));
    await expect(third).rejects.toMatchObject({ reason: 'busy', maybeDone: false });
  });
});

describe('a listener', () => {
  test('hears of each call that ends, until it has enough', async () => {
    const { calls } = fake(10_000);
    const heard: unknown[] = [];
    const end = calls.onCall(({ kind, outcome, seconds }) => heard.push([kind, outcome, seconds >= 0]));
    await calls.run(() => Promise.resolve(1));
    await calls.transaction(() => Promise.resolve(2));
    await expect(calls.transaction(() => Promise.reject(refused))).rejects.toThrow('refused');
    end();
    await calls.run(() => Promise.resolve(3));
    expect(heard).toEqual([
      ['call', 'succeeded', true],
      ['transaction', 'succeeded', true],
      ['transaction', 'failed', true],
    ]);
  });
});

describe('a call that is late', () => {
  test('while it waits for its turn never has one', async () => {
    let provide = (): void => {};
    const provided = new Promise<void>((resolve) => {
      provide = resolve;
    });
    const { calls, log } = fake(20, { acquire: (session) => provided.then(() => session) });
    const ran: string[] = [];
    const runs = ['first', 'second'].map((name) => calls.run(async () => ran.push(name)));
    expect(await Promise.allSettled(runs)).toMatchObject([
      { reason: { reason: 'timeout', message: 'the database did not answer within 20 ms' } },
      { reason: { reason: 'busy', message: 'no connection was free within 20 ms' } },
    ]);
    provide();
    await calls.idle();
    expect(ran).toEqual([]);
    expect(log.filter((entry) => entry === 'acquire')).toHaveLength(1);
  });

  test('has its session discarded, then gives its place back', async () => {
    const { calls, log } = fake(20);
    await expect(calls.run(never)).rejects.toMatchObject({ reason: 'timeout', retryAfterMs: 1_000 });
    await calls.idle();
    const suspicion = 'suspect: the database did not answer within 20 ms';
    expect(log.toSorted()).toEqual(['acquire', 'discard', 'release', suspicion]);
    expect(log.indexOf('discard')).toBeLessThan(log.indexOf('release'));
  });

  test('while its session is opened gives the session back unused', async () => {
    let provide = (): void => {};
    const provided = new Promise<void>((resolve) => {
      provide = resolve;
    });
    const { calls, log } = fake(20, { acquire: (session) => provided.then(() => session) });
    let ran = false;
    const call = calls.run(async () => {
      ran = true;
    });
    await expect(call).rejects.toMatchObject({ reason: 'timeout' });
    expect(log).not.toContain('release');
    provide();
    await calls.idle();
    expect(log).toContain('release');
    expect(ran).toBe(false);
  });

  test('in a transaction is rolled back', async () => {
    const { calls, log } = fake(20);
    await expect(calls.transaction(never)).rejects.toMatchObject({ reason: 'timeout' });
    await calls.idle();
    expect(log.filter((entry) => !entry.startsWith('suspect'))).toEqual([
      'acquire',
      'begin',
      'discard',
      'rollback',
      'release',
    ]);
  });
});

describe('a transaction', () => {
  test('is begun and committed on one session', async () => {
    const { calls, log } = fake(10_000);
    expect(await calls.transaction((transaction) => transaction.run(() => Promise.resolve(7)))).toBe(7);
    expect(log).toEqual(['acquire', 'begin', 'commit', 'release']);
  });

  test('whose connection breaks fails with that, and its session is not used again', async () => {
    const { calls, log } = fake(10_000, {
      answer: (text) => (text === 'begin' ? Promise.resolve('BEGIN') : Promise.reject(closed)),
    });
    await expect(calls.transaction(() => Promise.reject(closed))).rejects.toMatchObject({
      reason: 'unreachable',
    });
    expect(log.slice(0, -1)).toEqual(['acquire', 'begin', 'rollback', 'discard', 'discard', 'release']);
    expect(log.at(-1)).toMatch(/^suspect: the connection was closed/);
  });

  test('that cannot be rolled back says so, and its session is not used again', async () => {
    const { calls, log } = fake(10_000, {
      answer: (text) => (text === 'begin' ? Promise.resolve('BEGIN') : Promise.reject(refused)),
    });
    const work = calls.transaction(() => Promise.reject(new Error('the work')));
    await expect(work).rejects.toMatchObject({ name: 'DatabaseQueryError', sqlState: '40P01' });
    expect(log).toEqual(['acquire', 'begin', 'rollback', 'discard', 'release']);
  });

  test('that does not begin does not run', async () => {
    const { calls, log } = fake(10_000, { answer: () => Promise.reject(closed) });
    let ran = false;
    const work = calls.transaction(async () => {
      ran = true;
    });
    await expect(work).rejects.toMatchObject({ reason: 'unreachable' });
    expect(ran).toBe(false);
    expect(log).not.toContain('rollback');
  });
});
