// The settings: defaults, types and limits, and that all faults are told at once without secrets.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigError, type ConfigFault, loadConfig, settingNames } from '../../src/app/internal.ts';
import { noteLimits } from '../../src/app/notes/internal.ts';

function errorOf(env: Record<string, string>): ConfigError | undefined {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  return undefined;
}

const faultsOf = (env: Record<string, string>): readonly ConfigFault[] => errorOf(env)?.faults ?? [];

const wrongVariables = (env: Record<string, string>) => faultsOf(env).map(({ variable }) => variable);

describe('defaults', () => {
  test('an empty environment gives them', () => {
    expect(loadConfig({})).toEqual({
      host: '127.0.0.1',
      port: 8080,
      allowedOrigins: [],
      allowedHosts: [],
      trustProxy: [],
      page: { notes: 100, notesMax: 500, bytes: 1_048_576 },
      bodyLimitBytes: 2_097_152,
      trafficMaxBytes: 134_217_728,
      sendTimeoutMs: 30_000,
      wsMaxPayloadBytes: 65_536,
      wsSendLimitBytes: 33_554_432,
      history: { keep: 10_000, maxAgeMs: 259_200_000 },
      deleted: { keep: 1_000, maxAgeMs: 3_600_000 },
      watch: true,
      requestTimeoutMs: 15_000,
      shutdownTimeoutMs: 10_000,
      logLevel: 'info',
      observer: { allow: false },
      dataDir: resolve('data'),
      database: { kind: 'pglite', folder: resolve('data/pglite'), queryTimeoutMs: 5_000 },
    });
  });

  test('an empty value counts as unset', () => {
    const empty = Object.fromEntries(settingNames.map((name) => [name, '']));
    expect(loadConfig(empty)).toEqual(loadConfig({}));
  });

  test('.env.example names every setting with its default', () => {
    const example = parseEnv(readFileSync(join(import.meta.dirname, '../../.env.example'), 'utf8'));
    expect(Object.keys(example).toSorted()).toEqual([...settingNames].toSorted());
    expect(loadConfig({ ...example })).toEqual(loadConfig({}));
  });

  test('the longest note fits into a request, however its JSON is written', () => {
    const characters = Object.values(noteLimits).reduce((sum, limit) => sum + limit, 0);
    const escapedPairBytes = '\\ud83d\\ude00'.length;
    expect(loadConfig({}).bodyLimitBytes).toBeGreaterThan(characters * escapedPairBytes + 1_000);
  });

  test('other variables are none of its business', () => {
    expect(loadConfig({ PATH: '/bin', PORTS: 'x', port: 'x' })).toEqual(loadConfig({}));
  });
});

describe('values', () => {
  test('each setting is read', () => {
    const config = loadConfig({
      HOST: '::1',
      PORT: '0',
      ALLOWED_ORIGINS: 'https://Notes.example.org, http://127.0.0.1:5173,https://notes.example.org:443',
      ALLOWED_HOSTS: 'Notes.example.org, 10.1.2.3:8080,[2001:db8::1]',
      TRUST_PROXY: '10.0.0.0/8, loopback,2001:db8::/32,192.0.2.1',
      PAGE_NOTES: '10',
      PAGE_NOTES_MAX: '20',
      PAGE_BYTES: '2048',
      BODY_LIMIT_BYTES: '1024',
      TRAFFIC_MAX_BYTES: '1048576',
      MAX_CONNECTIONS: '7',
      SEND_TIMEOUT_MS: '200',
      WS_MAX_PAYLOAD_BYTES: '128',
      WS_SEND_LIMIT_BYTES: '2097152',
      NOTIFICATIONS_KEEP: '5',
      NOTIFICATIONS_MAX_AGE_MS: '2000',
      WATCH: 'on',
      DELETED_KEEP: '6',
      DELETED_MAX_AGE_MS: '3000',
      REQUEST_TIMEOUT_MS: '100',
      SHUTDOWN_TIMEOUT_MS: '600000',
      LOG_LEVEL: 'silent',
      DATA_DIR: '/var/lib/notes',
      DATABASE_URL: 'postgresql://app:p%40ss@db.example.org:6432/notes?sslmode=require',
      DATABASE_POOL_MAX: '3',
      DATABASE_CONNECT_TIMEOUT_MS: '1000',
      DATABASE_QUERY_TIMEOUT_MS: '2000',
      DATABASE_RETRY_MAX_MS: '3000',
    });
    expect(config).toEqual({
      host: '::1',
      port: 0,
      allowedOrigins: ['https://notes.example.org', 'http://127.0.0.1:5173'],
      allowedHosts: ['notes.example.org', '10.1.2.3:8080', '[2001:db8::1]'],
      trustProxy: ['10.0.0.0/8', 'loopback', '2001:db8::/32', '192.0.2.1'],
      page: { notes: 10, notesMax: 20, bytes: 2_048 },
      bodyLimitBytes: 1024,
      trafficMaxBytes: 1_048_576,
      maxConnections: 7,
      sendTimeoutMs: 200,
      wsMaxPayloadBytes: 128,
      wsSendLimitBytes: 2_097_152,
      history: { keep: 5, maxAgeMs: 2_000 },
      deleted: { keep: 6, maxAgeMs: 3_000 },
      watch: true,
      requestTimeoutMs: 100,
      shutdownTimeoutMs: 600_000,
      logLevel: 'silent',
      dataDir: '/var/lib/notes',
      database: {
        kind: 'postgres',
        url: 'postgresql://app:p%40ss@db.example.org:6432/notes?sslmode=require',
        poolMax: 3,
        connectTimeoutMs: 1_000,
        queryTimeoutMs: 2_000,
        retryMaxMs: 3_000,
      },
    });
  });

  test('they cannot be changed', () => {
    const config = loadConfig({ ALLOWED_ORIGINS: 'http://a' });
    expect([config, config.database, config.allowedOrigins].map(Object.isFrozen)).toEqual([true, true, true]);
  });

  const limits = Object.entries({
    PORT: [0, 65_535],
    PAGE_NOTES: [1, 500],
    PAGE_NOTES_MAX: [1, 500],
    PAGE_BYTES: [1_024, 16_777_216],
    MAX_CONNECTIONS: [1, 1_000_000],
    SEND_TIMEOUT_MS: [100, 600_000],
    WS_SEND_LIMIT_BYTES: [2_097_152, 1_073_741_824],
    BODY_LIMIT_BYTES: [1_024, 67_108_864],
    WS_MAX_PAYLOAD_BYTES: [128, 16_777_216],
    NOTIFICATIONS_KEEP: [0, 1_000_000_000],
    NOTIFICATIONS_MAX_AGE_MS: [1_000, 31_536_000_000],
    REQUEST_TIMEOUT_MS: [100, 600_000],
    SHUTDOWN_TIMEOUT_MS: [100, 600_000],
    DATABASE_POOL_MAX: [1, 500],
    DATABASE_CONNECT_TIMEOUT_MS: [100, 600_000],
    DATABASE_QUERY_TIMEOUT_MS: [100, 600_000],
    DATABASE_RETRY_MAX_MS: [100, 600_000],
  } satisfies Record<string, [number, number]>);
  // (Of TRAFFIC_MAX_BYTES the least depends on others; see below.)

  test.each(limits)('%s is a whole number between %j', (name, [least, most]) => {
    for (const value of [least, most]) expect(wrongVariables({ [name]: String(value) })).toEqual([]);
    for (const value of [least - 1, most + 1])
      expect(wrongVariables({ [name]: String(value) })).toEqual([name]);
  });

  test('a number is written in decimal digits', () => {
    for (const PORT of [
      '1e3',
      '0x50',
      '+80',
      ' 80',
      '80 ',
      '80.0',
      '8,0',
      'http',
      '-0',
      '٣',
      '9'.repeat(400),
    ]) {
      expect([PORT, wrongVariables({ PORT })]).toEqual([PORT, ['PORT']]);
    }
  });

  test('an origin is what a browser sends', () => {
    const wrong = [
      '*',
      'null',
      'example.org',
      'https://',
      'ws://a',
      'https://a/',
      'https://a/b',
      'https://a?',
      'https://a#',
      'https://u@a',
      'https://u:p@a',
      'http://a,,http://b',
      'http://a b',
    ];
    for (const ALLOWED_ORIGINS of wrong) {
      expect([ALLOWED_ORIGINS, wrongVariables({ ALLOWED_ORIGINS })]).toEqual([
        ALLOWED_ORIGINS,
        ['ALLOWED_ORIGINS'],
      ]);
    }
    const many = Array.from({ length: 101 }, (_, index) => `http://a${index}`);
    expect(wrongVariables({ ALLOWED_ORIGINS: many.slice(1).join() })).toEqual([]);
    expect(wrongVariables({ ALLOWED_ORIGINS: many.join() })).toEqual(['ALLOWED_ORIGINS']);
  });

  test('the observer needs a token, unless only users of this machine can come', () => {
    const token = 'a'.repeat(16);
    const cases: ReadonlyArray<readonly [Record<string, string>, unknown]> = [
      [{}, { allow: false }],
      [{ HOST: 'localhost' }, { allow: false }],
      [{ HOST: '::1' }, { allow: false }],
      [{ HOST: '0.0.0.0' }, undefined],
      [{ HOST: '192.168.0.1' }, undefined],
      [{ TRUST_PROXY: 'loopback' }, undefined],
      [{ ALLOWED_HOSTS: 'notes.example.org' }, undefined],
      [{ ALLOWED_ORIGINS: 'https://notes.example.org' }, undefined],
      [
        { HOST: '0.0.0.0', OBSERVER_TOKEN: token },
        { token, allow: false },
      ],
      [
        { OBSERVER_TOKEN: token, OBSERVER_ALLOW: 'on' },
        { token, allow: true },
      ],
    ];
    for (const [env, observer] of cases) expect([env, loadConfig(env).observer]).toEqual([env, observer]);
    expect(wrongVariables({ OBSERVER_ALLOW: 'on' })).toEqual(['OBSERVER_ALLOW']);
    for (const OBSERVER_TOKEN of [
      'a'.repeat(15),
      'a'.repeat(1_025),
      'a token with blanks',
      'ein-längeres-Wort-hier',
    ]) {
      const error = errorOf({ OBSERVER_TOKEN });
      expect(error?.faults.map(({ variable }) => variable)).toEqual(['OBSERVER_TOKEN']);
      expect(error?.message).not.toContain(OBSERVER_TOKEN);
    }
  });

  test('an allowed host is a name or an address, with or without a port', () => {
    for (const ALLOWED_HOSTS of ['a', 'a.b:1', '10.0.0.1', '[::1]:80', 'a,b', 'my_host', 'localhost'])
      expect([ALLOWED_HOSTS, wrongVariables({ ALLOWED_HOSTS })]).toEqual([ALLOWED_HOSTS, []]);
    for (const ALLOWED_HOSTS of [
      'http://a',
      'a/b',
      '::1',
      '*.a',
      'a b',
      'a,',
      'a:',
      'a:x',
      'a@b',
      '[a]',
      '*,a',
    ])
      expect([ALLOWED_HOSTS, wrongVariables({ ALLOWED_HOSTS })]).toEqual([ALLOWED_HOSTS, ['ALLOWED_HOSTS']]);
  });

  test('any host is allowed only where others reach the service anyway', () => {
    const any = { ALLOWED_HOSTS: '*' };
    for (const HOST of ['0.0.0.0', '::', '192.0.2.1', 'notes.example.org'])
      expect(loadConfig({ ...any, HOST }).allowedHosts).toEqual(['*']);
    for (const HOST of ['', '127.0.0.1', '127.1.2.3', '::1', 'localhost'])
      expect(wrongVariables({ ...any, HOST })).toEqual(['ALLOWED_HOSTS']);
    expect(errorOf(any)?.message).toContain(
      'ALLOWED_HOSTS is * while HOST is 127.0.0.1; allowed: the names that this service has, separated by commas',
    );
  });

  test('a proxy is an address, a range or a name for one', () => {
    for (const TRUST_PROXY of [
      '10.0.0.1',
      '10.0.0.0/8',
      '::1',
      'fe80::/10',
      'loopback',
      'linklocal,uniquelocal',
    ])
      expect([TRUST_PROXY, wrongVariables({ TRUST_PROXY })]).toEqual([TRUST_PROXY, []]);
    for (const TRUST_PROXY of [
      'true',
      'proxy',
      '*',
      '10.0.0',
      '10.0.0.0/33',
      '::/129',
      '10.0.0.0/8/8',
      '1.1.1.1/',
      'a,',
    ])
      expect([TRUST_PROXY, wrongVariables({ TRUST_PROXY })]).toEqual([TRUST_PROXY, ['TRUST_PROXY']]);
  });

  test('a page has no more notes by default than at most', () => {
    expect(loadConfig({ PAGE_NOTES_MAX: '20' }).page).toMatchObject({ notes: 20, notesMax: 20 });
  });

  test('the largest body and the largest page fit into what all requests may hold', () => {
    const bodies = { BODY_LIMIT_BYTES: '8388608', TRAFFIC_MAX_BYTES: '8388608' };
    expect(wrongVariables(bodies)).toEqual([]);
    expect(wrongVariables({ ...bodies, BODY_LIMIT_BYTES: '8388609' })).toEqual(['TRAFFIC_MAX_BYTES']);
    expect(wrongVariables({ ...bodies, PAGE_BYTES: '8388609' })).toEqual(['TRAFFIC_MAX_BYTES']);
  });

  test('a database is named by one URL of PostgreSQL', () => {
    for (const DATABASE_URL of [
      'postgres://h',
      'postgres://h/d',
      'postgresql://u@[::1]:5432/d',
      'postgres://u:p@h:1/d?sslmode=verify-full',
      'postgres:///d',
      'postgres://%2Ftmp/d',
    ]) {
      expect([DATABASE_URL, wrongVariables({ DATABASE_URL })]).toEqual([DATABASE_URL, []]);
    }
    const wrong = [
      'h',
      'mysql://h/d',
      'postgres://u:p@h:1/d?x=y',
      'postgres:d',
      'postgres://a,b/d',
      'postgres://a:1,b:2/d',
      'postgres://h:port/d',
      'postgres://u:%zz@h/d',
    ];
    for (const DATABASE_URL of wrong) {
      expect([DATABASE_URL, wrongVariables({ DATABASE_URL })]).toEqual([DATABASE_URL, ['DATABASE_URL']]);
    }
  });

  test('a host has no port and no path', () => {
    for (const HOST of ['0.0.0.0', '::', 'localhost', 'fe80::1%eth0'])
      expect(wrongVariables({ HOST })).toEqual([]);
    for (const HOST of ['http://a', 'a/b', '[::1]', 'a b', ' ', 'a'.repeat(254)]) {
      expect([HOST, wrongVariables({ HOST })]).toEqual([HOST, ['HOST']]);
    }
  });
});

describe('faults', () => {
  test('all are told at once, each on a line with its variable, its value and what is allowed', () => {
    const env = { LOG_LEVEL: 'loud', PORT: '70000', HOST: 'a\nb', DATABASE_POOL_MAX: '0' };
    expect(() => loadConfig(env)).toThrowError(
      [
        'the settings in the environment cannot be used:',
        '  HOST is "a\\nb"; allowed: an IP address or a host name of this machine, without a port; 0.0.0.0 or :: for all',
        '  PORT is "70000"; allowed: a whole number from 0 to 65535 (0 lets the system choose); 8080 when unset',
        '  LOG_LEVEL is "loud"; allowed: one of fatal, error, warn, info, debug, trace, silent',
        '  DATABASE_POOL_MAX is "0"; allowed: a whole number from 1 to 500 (connections); 10 when unset',
      ].join('\n'),
    );
  });

  test('a variable with several faults is told once', () => {
    expect(wrongVariables({ ALLOWED_ORIGINS: 'a,b,c,d,e,f,g,h,i,j', PORT: 'x' })).toEqual([
      'PORT',
      'ALLOWED_ORIGINS',
    ]);
  });

  test('every setting that is wrong is told, however many there are', () => {
    const wrong = settingNames.filter((name) => !isPath(name));
    expect(wrongVariables(Object.fromEntries(wrong.map((name) => [name, ' ?']))).toSorted()).toEqual(
      wrong.toSorted(),
    );
  });

  function isPath(name: string): boolean {
    return /^(DATA_DIR|TROUPE_COOKIE_FILE|TROUPE_TLS_.*)$/.test(name);
  }

  test('a long value is cut', () => {
    expect(faultsOf({ HOST: '/'.repeat(1_000) })[0]?.problem).toBe(`is "${'/'.repeat(80)}…"`);
  });

  test('a password is not repeated', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z]{6,20}$/), (password) => {
        const env = { DATABASE_URL: `postgre://app:${password}@db/notes`, PORT: 'x' };
        expect(wrongVariables(env)).toEqual(['PORT', 'DATABASE_URL']);
        const error = errorOf(env);
        expect(`${error?.message} ${JSON.stringify(error?.faults)}`).not.toContain(password);
      }),
    );
  });
});
