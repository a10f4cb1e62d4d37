// Exit reasons: words are atoms to Erlang and strings here, and nothing else is changed.
import * as fc from 'fast-check';
import { atom, type Pid, TroupeError, Tuple, tuple } from 'troupe';
import { describe, expect, test } from 'vitest';
import { decodeTerm } from 'troupe/erlang';
import { TermReader, TermWriter } from '../../../../src/runtime/distribution/etf/internal.ts';
import { Origin } from '../../../../src/runtime/terms/internal.ts';
import { terms } from './arbitraries.ts';

const reader = new TermReader({ origin: new Origin('a@h', 5), internPid: (pid: Pid): Pid => pid });

function write(reason: unknown): Buffer {
  const writer = new TermWriter();
  writer.u8(131);
  writer.reason(reason);
  return writer.buffer.subarray(0, writer.length);
}

function toErlang(reason: unknown): unknown {
  return decodeTerm(write(reason));
}

/** A reason that is a term of Erlang's. */
function fromErlang(term: unknown): unknown {
  const writer = new TermWriter();
  writer.term(term);
  reader.reset(writer.buffer, 0, writer.length);
  return reader.reason();
}

function travel(reason: unknown): unknown {
  const bytes = write(reason);
  reader.reset(bytes, 1, bytes.length);
  return reader.reason();
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('reasons to both', () => {
  test.each<[unknown, unknown]>([
    ['normal', atom('normal')],
    ['shutdown', atom('shutdown')],
    ['killed', atom('killed')],
    ['noproc', atom('noproc')],
    ['noconnection', atom('noconnection')],
    ['a text', 'a text'],
    [atom('badarg'), atom('badarg')],
    [['shutdown', 'done'], tuple(atom('shutdown'), 'done')],
    [['shutdown', 'normal'], tuple(atom('shutdown'), atom('normal'))],
    [['nocatch', atom('thrown')], tuple(atom('nocatch'), atom('thrown'))],
    [
      ['shutdown', ['failed_to_start_child', 'db', ['nocatch', 7]]],
      tuple(atom('shutdown'), tuple(atom('failed_to_start_child'), 'db', tuple(atom('nocatch'), 7))),
    ],
    [['mailbox_full', 5], tuple(atom('mailbox_full'), 5)],
    [['shutdown'], tuple(atom('shutdown'))],
    [
      ['mine', 1],
      ['mine', 1],
    ],
    [
      [1, 2],
      [1, 2],
    ],
    [[], []],
    [
      ['mine', ['shutdown', 1]],
      ['mine', ['shutdown', 1]],
    ],
    [tuple(atom('badmatch'), 'x'), tuple(atom('badmatch'), 'x')],
    [tuple(atom('badmatch'), atom('normal')), tuple(atom('badmatch'), atom('normal'))],
    [{ a: 'normal' }, { a: 'normal' }],
    [null, null],
    [undefined, undefined],
    [tuple(), tuple()],
  ])('%o', (reason, term) => {
    expect(toErlang(reason)).toStrictEqual(term);
    expect(travel(reason)).toStrictEqual(reason);
    expect(fromErlang(term)).toStrictEqual(reason);
  });
});

describe('reasons of Erlang that could be taken for others', () => {
  test('binaries that spell a word', () => {
    expect(fromErlang('normal')).toStrictEqual(bytesOf('normal'));
    expect(fromErlang(tuple(atom('shutdown'), 'kill'))).toStrictEqual(['shutdown', bytesOf('kill')]);
    expect(fromErlang(['shutdown', 1])).toStrictEqual([bytesOf('shutdown'), 1]);
    expect(fromErlang([atom('shutdown'), 1])).toStrictEqual([atom('shutdown'), 1]);
    expect(fromErlang(tuple('shutdown', 1))).toStrictEqual(tuple('shutdown', 1));
  });

  test('any term is the same after it went back', () => {
    fc.assert(
      fc.property(terms, (term) => {
        const reason = fromErlang(term);
        expect(travel(reason)).toStrictEqual(reason);
      }),
      { numRuns: 300 },
    );
  });
});

describe('Errors', () => {
  test('are described, wherever they stand', () => {
    const error = new TroupeError('TROUPE_NOPROC', 'Gone.');
    const described = {
      name: 'TroupeError',
      message: error.message,
      stack: expect.stringMatching(/^TroupeError: Gone.*\n +at reasons\.test\.ts:\d+:\d+/s) as unknown,
      code: 'TROUPE_NOPROC',
    };
    const here = travel(error);
    expect(here).toStrictEqual(described);
    expect(JSON.stringify(here)).not.toContain(import.meta.dirname);
    expect(travel(['shutdown', error])).toStrictEqual(['shutdown', described]);
    expect(travel({ cause: [error] })).toStrictEqual({ cause: [described] });
    expect(travel(new Tuple([error]))).toStrictEqual(new Tuple([described]));
  });

  test('also those that hold what is no text', () => {
    const error = new Error('half \ud800');
    expect(travel(error)).toHaveProperty('message', 'half \ufffd');
  });

  test('only in reasons', () => {
    const writer = new TermWriter();
    writer.reason(new Error('x'));
    expect(() => writer.term(new Error('x'))).toThrow('an instance of Error');
    expect(() => writer.reason({ a: [new Error('x'), NaN] })).toThrow('the number NaN at a.1');
    expect(() => writer.term(new Error('x'))).toThrow('an instance of Error');
  });
});

test('a reason with holes is refused', () => {
  const reason: unknown[] = ['shutdown'];
  reason.length = 2;
  expect(() => write(reason)).toThrow('an array with holes at 1');
});
