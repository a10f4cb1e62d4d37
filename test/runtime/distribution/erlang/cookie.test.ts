// Cookies: which are good, where they are read from, and the proof that both sides have the same.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  Cookies,
  digest,
  isDigest,
  makeChallenge,
} from '../../../../src/runtime/distribution/erlang/internal.ts';
import { readCookieFile } from 'troupe/erlang';

const bad = expect.objectContaining({ code: 'TROUPE_BAD_COOKIE' });

describe('the cookies of a node', () => {
  test('one for all, others for single nodes', () => {
    const cookies = new Cookies('all', { 'a@h': 'one' });
    expect(cookies.of('a@h')).toBe('one');
    expect(cookies.of('b@h')).toBe('all');
    expect(cookies.of('__proto__')).toBe('all');
  });

  test('without one for all, only nodes that have one are known', () => {
    const cookies = new Cookies(undefined, { 'a@h': 'one' });
    expect(cookies.of('a@h')).toBe('one');
    expect(() => cookies.of('b@h')).toThrow(bad);
  });

  test.each([[''], ['x'.repeat(256)], ['π'], [7 as unknown as string]])('%j is none', (cookie) => {
    expect(() => new Cookies(cookie)).toThrow(bad);
    expect(() => new Cookies('all', { 'a@h': cookie })).toThrow(bad);
  });

  test.each([['x'], ['x'.repeat(255)], ['é ÿ']])('%j is one', (cookie) => {
    expect(new Cookies(cookie).of('a@h')).toBe(cookie);
  });
});

describe('the cookie file', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'troupe-cookie-'));
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });

  function write(text: string, mode = 0o400, name = 'cookie'): string {
    const file = join(folder, name);
    writeFileSync(file, text);
    chmodSync(file, mode);
    return file;
  }

  test.each([['secret'], ['secret\n'], ['secret\r\n'], ['secret\n\n \n']])('%j holds a cookie', (text) => {
    expect(readCookieFile(write(text))).toBe('secret');
    expect(readCookieFile(write('with blank', 0o600, 'other'))).toBe('with blank');
  });

  test.each([
    [''],
    ['\n'],
    ['two\nlines'],
    ['caf\u00e9'],
    ['tab\there'],
    ['x'.repeat(256)],
    ['x'.repeat(2_000)],
  ])('%j holds none', (text) => {
    expect(() => readCookieFile(write(text))).toThrow(bad);
  });

  test.skipIf(process.platform === 'win32').each([[0o440], [0o604], [0o610]])(
    'others must have no rights on it: %o',
    (mode) => {
      expect(() => readCookieFile(write('secret', mode))).toThrow(/chmod 600/);
    },
  );

  test('that is not there, or no file', () => {
    expect(() => readCookieFile(join(folder, 'none'))).toThrow(bad);
    expect(() => readCookieFile(folder)).toThrow(bad);
  });

  test('is where OTP looks for it', () => {
    vi.stubEnv('HOME', folder);
    vi.stubEnv('XDG_CONFIG_HOME', undefined);
    expect(() => readCookieFile()).toThrow(bad);
    write('home', 0o400, '.erlang.cookie');
    expect(readCookieFile()).toBe('home');
  });
});

describe('the proof of a cookie', () => {
  test('is the MD5 of cookie and number in decimal', () => {
    // erlang:md5("secret" ++ "4294967295")
    expect(digest('secret', 4_294_967_295).toString('hex')).toBe('5dfd181e69aa587cc812eb333e6536b6');
    expect(digest('é', 1)).not.toEqual(digest('Ã©', 1));
  });

  test('is good for one cookie and one number only', () => {
    const number = makeChallenge();
    const answer = digest('secret', number);
    expect(isDigest(answer, 'secret', number)).toBe(true);
    expect(isDigest(answer, 'other', number)).toBe(false);
    expect(isDigest(answer, 'secret', (number + 1) % 2 ** 32)).toBe(false);
    expect(isDigest(answer.subarray(1), 'secret', number)).toBe(false);
  });

  test('numbers are those of 32 bits, and differ', () => {
    const numbers = new Set(Array.from({ length: 100 }, makeChallenge));
    expect(numbers.size).toBeGreaterThan(95);
    for (const number of numbers) expect(number >>> 0).toBe(number);
  });
});
