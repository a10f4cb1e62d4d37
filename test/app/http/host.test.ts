// Which hosts a request may be sent to.
import { describe, expect, test } from 'vitest';
import { hostCheck } from '../../../src/app/http/internal.ts';

const LOOPBACK = [
  'localhost',
  'LOCALHOST',
  'localhost.',
  'localhost:8080',
  'notes.localhost',
  'a.b.localhost:1',
  '127.0.0.1',
  '127.0.0.1:8080',
  '127.1.2.3',
  '[::1]',
  '[::1]:8080',
  '[0:0:0:0:0:0:0:1]',
  '[::ffff:127.0.0.1]',
];
const STRANGERS = [
  'example.org',
  'example.org:8080',
  'localhost.example.org',
  '127.0.0.1.example.org',
  'notlocalhost',
  '',
  ' ',
  'localhost:',
  'localhost:x',
  'localhost:123456',
  'localhost ',
  'a,localhost',
  'localhost,a',
  'user@localhost',
  'localhost/',
  'localhost/x',
  'localhost#',
  'localhost?',
  'http://localhost',
  'localhost\\',
  '[::1',
  '::1',
  '[::1]x',
  '[localhost]',
  'locälhost',
  'x'.repeat(20_000),
  'localhost..',
];
const ADDRESSES = [
  '10.0.0.1',
  '192.168.1.5:8080',
  '203.0.113.7',
  '[::2]',
  '[2001:db8::1]',
  '[2001:db8::1]:8080',
];

describe('a service on a loopback address', () => {
  const isAllowed = hostCheck('127.0.0.1', []);

  test.each(LOOPBACK)('is %j', (host) => {
    expect(isAllowed(host)).toBe(true);
  });

  test.each([...STRANGERS, ...ADDRESSES, '0.0.0.0', '[::]'])('is not %j', (host) => {
    expect(isAllowed(host)).toBe(false);
  });
});

test('a service on all addresses is any of them, and no name', () => {
  for (const listen of ['0.0.0.0', '::']) {
    const isAllowed = hostCheck(listen, []);
    for (const host of [...LOOPBACK, ...ADDRESSES, '0.0.0.0'])
      expect([host, isAllowed(host)]).toEqual([host, true]);
    for (const host of STRANGERS) expect([host, isAllowed(host)]).toEqual([host, false]);
  }
});

test('a service on one address or name is that one', () => {
  const cases = [
    ['192.0.2.1', ['192.0.2.1', '192.0.2.1:80'], ['192.0.2.2', 'example.org']],
    ['2001:db8::1', ['[2001:db8::1]', '[2001:DB8:0::1]:80'], ['[2001:db8::2]', '192.0.2.1']],
    ['fe80::1%eth0', ['[fe80::1]'], ['[fe80::2]']],
    ['Notes.internal', ['notes.internal', 'NOTES.INTERNAL.:8080'], ['internal', 'a.notes.internal']],
  ] as const;
  for (const [listen, own, others] of cases) {
    const isAllowed = hostCheck(listen, []);
    for (const host of [...own, 'localhost'])
      expect([listen, host, isAllowed(host)]).toEqual([listen, host, true]);
    for (const host of others) expect([listen, host, isAllowed(host)]).toEqual([listen, host, false]);
  }
});

test('a listed host is one with every port, or with its own', () => {
  const isAllowed = hostCheck('127.0.0.1', [
    'notes.example.org',
    'other.example.org:8443',
    'tls.example.org:443',
  ]);
  for (const host of [
    'notes.example.org',
    'Notes.Example.ORG:8080',
    'other.example.org:8443',
    'tls.example.org',
  ])
    expect([host, isAllowed(host)]).toEqual([host, true]);
  for (const host of [
    'other.example.org',
    'other.example.org:443',
    'tls.example.org:8443',
    'a.notes.example.org',
  ])
    expect([host, isAllowed(host)]).toEqual([host, false]);
  expect(hostCheck('0.0.0.0', ['*'])('anything at all')).toBe(true);
});
