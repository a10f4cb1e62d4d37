// What the errors of Node.js, of the two drivers and of drizzle mean.
import { DrizzleQueryError } from 'drizzle-orm';
import { describe, expect, test } from 'vitest';
import { explain } from '../../../src/app/database/internal.ts';

const nodeError = (code: string) =>
  Object.assign(new Error(`connect ${code} 127.0.0.1:5432`), { code, syscall: 'connect' });
const serverError = (code: string) =>
  Object.assign(new Error('what the server said'), { code, severity: 'ERROR' });

describe('kinds', () => {
  test.each([
    'ECONNREFUSED',
    'ECONNRESET',
    'EPIPE',
    'ETIMEDOUT',
    'EHOSTUNREACH',
    'ENOTFOUND',
    'EAI_AGAIN',
    'CONNECT_TIMEOUT',
    'CONNECTION_CLOSED',
    'CONNECTION_ENDED',
    'CONNECTION_DESTROYED',
  ])('%s: the connection', (code) => {
    expect(explain(nodeError(code))).toMatchObject({
      kind: 'connection',
      message: expect.stringContaining(code),
    });
  });

  test.each([
    '08000',
    '08003',
    '08006',
    '08P01',
    '28000',
    '28P01',
    '3D000',
    '25P03',
    '25P04',
    '57P01',
    '57P02',
    '57P03',
    '57P04',
    '57P05',
  ])('SQLSTATE %s: the connection', (code) => {
    expect(explain(serverError(code))).toMatchObject({ kind: 'connection', sqlState: code });
  });

  test.each([
    ['53300', 'busy'],
    ['57014', 'timeout'],
    ['23505', 'query'],
    ['42P01', 'unfit'],
    ['42703', 'query'],
    ['53200', 'busy'],
    ['53100', 'busy'],
    ['25006', 'unfit'],
    ['42501', 'unfit'],
    ['XX000', 'query'],
  ])('SQLSTATE %s: %s', (code, kind) => {
    expect(explain(serverError(code))).toMatchObject({
      kind,
      sqlState: code,
      message: 'what the server said',
    });
  });

  test.each([
    ['a fault of the program', new TypeError('x is not a function')],
    ['a code of Node.js that looks like a SQLSTATE', Object.assign(new Error('no'), { code: 'EPERM' })],
    ['a code that is no text', Object.assign(new Error('no'), { code: 23505, severity: 'ERROR' })],
    ['no error at all', 'thrown text'],
    ['nothing', undefined],
  ])('%s: something else', (_, thrown) => {
    expect(explain(thrown)).toMatchObject({ kind: 'other', error: thrown });
  });
});

describe('wrappings', () => {
  test('the values of a statement are in no message', () => {
    const wrapped = new DrizzleQueryError('insert into t values ($1)', ['secret'], serverError('23505'));
    expect(wrapped.message).toContain('secret');
    const fault = explain(wrapped);
    expect(fault).toMatchObject({ kind: 'query', sqlState: '23505', message: 'what the server said' });
    expect(JSON.stringify(fault)).not.toContain('secret');
  });

  test('of several addresses the first counts', () => {
    const several = Object.assign(new AggregateError([nodeError('ECONNREFUSED'), nodeError('ENETUNREACH')]), {
      code: 'ECONNREFUSED',
    });
    expect(explain(several).message).toBe('the connection was refused (ECONNREFUSED)');
    expect(explain(new AggregateError([])).kind).toBe('other');
  });

  test('causes that go round end', () => {
    const [a, b] = [new Error('a'), new Error('b')];
    a.cause = b;
    b.cause = a;
    expect(explain(a)).toMatchObject({ kind: 'other', message: expect.stringMatching(/^[ab]$/) });
  });

  test('a message is one line', () => {
    expect(explain(new Error(' two\n\tlines ')).message).toBe('two lines');
    expect(explain(new RangeError('')).message).toBe('RangeError');
  });
});
