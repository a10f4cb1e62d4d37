// What is declared of channels: forms that are said in parts, contradictions, limits. The limits fill tables of the process.
import { describe, expect, test } from 'vitest';
import { atom, defineChannel } from 'troupe';
import {
  declareChannel,
  declaredForm,
  declareHeard,
  MAX_DECLARED,
  MAX_HEARD,
} from '../../src/runtime/pg/internal.ts';

const badChannel = (message: RegExp): Error =>
  expect.objectContaining({
    code: 'TROUPE_BAD_CHANNEL',
    message: expect.stringMatching(message) as string,
  }) as Error;

describe('a declaration', () => {
  test('of a name alone means charlists for topics, and binaries for keys', () => {
    expect(declaredForm('plain')).toBe(undefined);
    defineChannel('plain');
    expect(declaredForm('plain')).toEqual({ topics: 'charlist', atomKeys: new Map() });
  });

  test('can be made in parts, and be repeated', () => {
    declareChannel('parts');
    declareChannel('parts', { topics: 'binary' });
    declareChannel('parts', { atomKeys: ['id', 'title'] });
    declareChannel('parts', { topics: 'binary', atomKeys: ['title', 'id', 'id'] });
    declareChannel('parts', {});
    expect(declaredForm('parts')).toEqual({
      topics: 'binary',
      atomKeys: new Map([
        ['id', atom('id')],
        ['title', atom('title')],
      ]),
    });
  });

  test('does not contradict another', () => {
    defineChannel('one', { topics: 'charlist', atomKeys: ['a'] as never });
    expect(() => defineChannel('one', { topics: 'binary' })).toThrow(badChannel(/two different forms/));
    expect(() => declareChannel('one', { atomKeys: ['b'] })).toThrow(badChannel(/two different forms/));
    expect(() => declareChannel('one', { atomKeys: [] })).toThrow(badChannel(/two different forms/));
    expect(declaredForm('one')).toEqual({ topics: 'charlist', atomKeys: new Map([['a', atom('a')]]) });
  });

  test('has names that can be atoms, and topics of one of two forms', () => {
    const long = 'x'.repeat(256);
    expect(() => defineChannel(long)).toThrow(badChannel(/cannot be an atom/));
    expect(() => declareChannel('keys', { atomKeys: ['a', long] })).toThrow(badChannel(/cannot be an atom/));
    expect(() => declareChannel('keys', { atomKeys: [1 as never] })).toThrow(badChannel(/cannot be an atom/));
    expect(() => declareChannel('keys', { topics: 'atom' as never })).toThrow(badChannel(/must go out as/));
    expect([declaredForm(long), declaredForm('keys')]).toEqual([undefined, undefined]);
  });

  test('can be of what a peer has declared before', () => {
    declareHeard('heard');
    expect(declaredForm('heard')).toEqual({ topics: 'charlist', atomKeys: new Map() });
    declareChannel('heard', { topics: 'binary' });
    declareHeard('heard');
    expect(declaredForm('heard')?.topics).toBe('binary');
  });
});

describe('limits', () => {
  test('of what peers declare: the rest stays undeclared, and the program is not concerned', () => {
    for (let count = 0; count < MAX_HEARD + 5; count++) declareHeard(`peer ${count}`);
    expect(declaredForm(`peer ${MAX_HEARD - 1}`)).toBeDefined();
    expect(declaredForm(`peer ${MAX_HEARD}`)).toBe(undefined);
    declareChannel('still possible');
    declareChannel('peer 0', { topics: 'binary' });
    // There is room for one again.
    declareHeard('one more');
    declareHeard('another');
    expect([declaredForm('one more') === undefined, declaredForm('another') === undefined]).toEqual([
      false,
      true,
    ]);
  });

  test('of what the program declares', () => {
    const fill = () => {
      for (let count = 0; count <= MAX_DECLARED; count++) declareChannel(`own ${count}`);
    };
    expect(fill).toThrow(badChannel(/10000 declared channels already/));
    expect(() => declareChannel('one more', { topics: 'binary' })).toThrow(badChannel(/10000/));
    expect(() => declareChannel('own 0', { topics: 'binary' })).not.toThrow();
  });
});
