// What is encoded and decoded again is the same, for any term; and any bytes are either a term or refused as none.
import * as fc from 'fast-check';
import { type Pid, TroupeError } from 'troupe';
import { expect, test } from 'vitest';
import { decodeTerm, encodeTerm } from 'troupe/erlang';
import { Messages } from '../../../../src/runtime/distribution/erlang/internal.ts';
import { EtfError, TermReader, TermWriter } from '../../../../src/runtime/distribution/etf/internal.ts';
import { Origin } from '../../../../src/runtime/terms/internal.ts';
import { scalars, terms } from './arbitraries.ts';

const host = { origin: new Origin('here@h', 4), internPid: (pid: Pid): Pid => pid };

test('a term without others in it', () => {
  fc.assert(
    fc.property(scalars, (term) => {
      expect(decodeTerm(encodeTerm(term))).toStrictEqual(term);
    }),
    { numRuns: 1_000 },
  );
});

test('any term', () => {
  fc.assert(
    fc.property(terms, (term) => {
      expect(decodeTerm(encodeTerm(term))).toStrictEqual(term);
    }),
    { numRuns: 500 },
  );
});

test('one reader and one writer for many terms', () => {
  const writer = new TermWriter({}, 16);
  const reader = new TermReader(host);
  fc.assert(
    fc.property(fc.array(terms, { maxLength: 4 }), (list) => {
      writer.reset();
      for (const term of list) writer.term(term);
      reader.reset(writer.buffer, 0, writer.length);
      for (const term of list) expect(reader.term()).toStrictEqual(term);
      expect(reader.peek()).toBe(-1);
    }),
    { numRuns: 200 },
  );
});

test('a term whose bytes are changed is another term, or none', () => {
  const reader = new TermReader(host, { maxDepth: 64 });
  const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(terms, fc.array(change, { minLength: 1, maxLength: 4 }), (term, changes) => {
      const bytes = Buffer.from(encodeTerm(term));
      for (const [at, byte] of changes) bytes[1 + (at % (bytes.length - 1))] = byte;
      for (const read of [
        () => reader.term(),
        () => reader.message(new Messages('a@h')),
        () => reader.reason(),
      ]) {
        reader.reset(bytes, 1, bytes.length);
        try {
          read();
          expect(reader.position).toBeLessThanOrEqual(bytes.length);
        } catch (error) {
          if (!(error instanceof EtfError)) throw error;
        }
      }
    }),
    { numRuns: 1_000 },
  );
});

test('any bytes are a term or none', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      let thrown: unknown;
      try {
        decodeTerm(Uint8Array.from([131, ...bytes]));
      } catch (error) {
        thrown = error;
      }
      expect(
        thrown === undefined || (thrown instanceof TroupeError && thrown.code === 'TROUPE_BAD_TERM'),
      ).toBe(true);
    }),
    { numRuns: 1_000 },
  );
});
