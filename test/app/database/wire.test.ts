// Where the messages of PostgreSQL's protocol end, however their bytes arrive.
import { array, assert, nat, property, string } from 'fast-check';
import { expect, test } from 'vitest';
import { MessageReader, simpleQuery } from '../../../src/app/database/internal.ts';

const startup = Buffer.from([0, 0, 0, 9, 0, 3, 0, 0, 0]);
const terminate = Buffer.from([0x58, 0, 0, 0, 4]);

/** What a reader answers when it gets the bytes in pieces. */
function read(pieces: readonly Uint8Array[]): Array<[string, string]> {
  const reader = new MessageReader();
  const found: Array<[string, string]> = [];
  for (const piece of pieces) {
    reader.push(piece);
    for (let next = reader.take(); next !== undefined; next = reader.take()) {
      found.push([next.kind, Buffer.from(next.bytes).toString('hex')]);
    }
  }
  expect(reader.isEmpty).toBe(true);
  return found;
}

test('messages are found, in whatever pieces they come', () => {
  const texts = array(string({ maxLength: 50 }), { maxLength: 10 });
  assert(
    property(texts, array(nat(600), { maxLength: 20 }), (statements, cuts) => {
      const messages = [startup, ...statements.map(simpleQuery), terminate];
      const bytes = Buffer.concat(messages);
      const ends = [...cuts.filter((cut) => cut < bytes.length), bytes.length].toSorted((a, b) => a - b);
      const pieces = ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
      const kinds = messages.map((_, index) => {
        if (index === 0) return 'startup';
        return index === messages.length - 1 ? 'terminate' : 'message';
      });
      expect(read(pieces)).toEqual(
        messages.map((message, index) => [kinds[index], Buffer.from(message).toString('hex')]),
      );
    }),
  );
});

test('a statement is a message of type Q', () => {
  expect(Buffer.from(simpleQuery('begin')).toString('latin1')).toBe('Q\0\0\0\x0abegin\0');
});
