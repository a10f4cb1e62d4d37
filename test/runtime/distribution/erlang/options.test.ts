// The options of a carrier: what they may be, and what is said of those that cannot be used.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createErlangCarrier, type ErlangCarrierOptions } from 'troupe/erlang';
import { describe, expect, onTestFinished, test } from 'vitest';
import { thrown } from '../../otp/helpers.ts';

describe('options', () => {
  test.each<[string, unknown]>([
    ['host', { host: '' }],
    ['port', { port: 65_536 }],
    ['port', { port: '80' }],
    ['listen', { listen: 'no' }],
    ['epmd', { epmd: true }],
    ['epmdHost', { epmdHost: 7 }],
    ['epmdPort', { epmdPort: -1 }],
    ['epmdServeOn', { epmdServeOn: '' }],
    ['addresses', { addresses: 'here' }],
    ['addresses.a@b', { addresses: { 'a@b': 'here' } }],
    ['addresses.a@b.host', { addresses: { 'a@b': { port: 1 } } }],
    ['addresses.a@b.port', { addresses: { 'a@b': { host: 'h', port: 0 } } }],
    ['addresses.a@b.port', { addresses: { 'a@b': { host: 'h' } } }],
    ['visible', { visible: 1 }],
    ['netTickTimeMs', { netTickTimeMs: 0 }],
    ['netTickTimeMs', { netTickTimeMs: 2 ** 31 }],
    ['busyWaitMs', { busyWaitMs: 11 }],
    ['busyWaitMs', { busyWaitMs: Number.NaN }],
    ['setupTimeoutMs', { setupTimeoutMs: 1.5 }],
    ['seeds', { seeds: 'a@b' }],
    ['seeds', { seeds: ['a'] }],
    ['learn', { learn: null }],
    ['maxFrameBytes', { maxFrameBytes: 2 ** 31 }],
    ['sendQueue', { sendQueue: 5 }],
    ['sendQueue.maxBytes', { sendQueue: { maxBytes: 0 } }],
    ['sendQueue.highWaterBytes', { sendQueue: { highWaterBytes: 11, maxBytes: 10 } }],
    ['sendQueue.policy', { sendQueue: { policy: 'drop' } }],
    ['maxPendingSignals', { maxPendingSignals: -1 }],
    ['output', { output: 'stdout' }],
    ['cookieFile', { cookieFile: 'x' }],
    ['cookies.a@b', { cookies: { 'a@b': '' } }],
    ['cookies', { cookies: 'x' }],
    ['colour', { colour: 'red' }],
  ])('%s: %j', (name, options) => {
    const error = thrown(() => createErlangCarrier({ cookie: 'c', ...(options as ErlangCarrierOptions) }));
    expect(error.code).toBe('TROUPE_BAD_ARGUMENT');
    expect(error.message).toContain(`'${name}'`);
  });

  test('have to be an object', () => {
    expect(thrown(() => createErlangCarrier('c' as never)).code).toBe('TROUPE_BAD_ARGUMENT');
    expect(thrown(() => createErlangCarrier({ cookie: 'c', expose: 7 as never })).code).toBe(
      'TROUPE_BAD_ARGUMENT',
    );
  });

  test('a cookie: given, in a file, or for single nodes; none is an error', () => {
    expect(thrown(() => createErlangCarrier({})).code).toBe('TROUPE_BAD_COOKIE');
    expect(thrown(() => createErlangCarrier({ cookie: '\u{1F36A}' })).code).toBe('TROUPE_BAD_COOKIE');
    expect(thrown(() => createErlangCarrier({ cookieFile: '/nowhere/at/all' })).code).toBe(
      'TROUPE_BAD_COOKIE',
    );
    const folder = mkdtempSync(join(tmpdir(), 'troupe-cookie-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, 'cookie'), 'from a file\n', { mode: 0o600 });
    for (const options of [
      { cookie: 'c' },
      { cookieFile: join(folder, 'cookie') },
      { cookies: { 'a@b': 'c' } },
    ]) {
      expect(createErlangCarrier(options).port).toBe(0);
    }
  });
});
