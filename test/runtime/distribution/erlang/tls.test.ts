// Connections over TLS, between nodes of Troupe and with a real Erlang node: who has the right certificates gets in, nobody else.
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { Epmd } from '../../../../src/runtime/distribution/epmd/internal.ts';
import {
  checkNodeHost,
  SecureIdentity,
  type TlsOptions,
} from '../../../../src/runtime/distribution/erlang/internal.ts';
import { freePort, startEpmd, startErl, TEST_COOKIE } from '../../../support/erl.ts';
import { requirePart } from '../../../support/parts.ts';
import { Authority, hasOpenssl } from './certificates.ts';
import { type Places, site, Wire } from './connector-helpers.ts';

const erl = requirePart('erl');
const openssl = hasOpenssl();
const failed = (reason: string) => expect.objectContaining({ code: 'TROUPE_CONNECT_FAILED', reason });

describe.skipIf(!openssl)('over TLS', () => {
  let ours: Authority;
  let others: Authority;
  let good: TlsOptions;
  let addressOnly: TlsOptions;
  let elsewhere: TlsOptions;
  let foreign: TlsOptions;

  beforeAll(() => {
    ours = new Authority('ours');
    others = new Authority('others');
    // OTP 29 wants an address to be named as one, OTP 25 as a name.
    good = ours.issue('good', 'DNS:localhost,DNS:127.0.0.1,IP:127.0.0.1');
    addressOnly = ours.issue('address', 'IP:127.0.0.1');
    elsewhere = ours.issue('elsewhere', 'DNS:elsewhere.example,IP:127.0.0.2');
    foreign = others.issue('foreign', 'DNS:localhost,DNS:127.0.0.1');
  });
  afterAll(() => {
    ours?.remove();
    others?.remove();
  });

  test('nodes with certificates for their hosts, names and addresses', async () => {
    const places: Places = new Map();
    const a = await site('a@127.0.0.1', places, { tls: good });
    const b = await site('b@127.0.0.1', places, { tls: addressOnly });
    const c = await site('c@localhost', places, { tls: good });
    await Promise.all([
      a.connector.dial('b@127.0.0.1'),
      b.connector.dial('a@127.0.0.1'),
      a.connector.dial('c@localhost'),
      c.connector.dial('b@127.0.0.1'),
    ]);
    await Promise.all([a.happened(/up b/), b.happened(/up a/), c.happened(/up a/), b.happened(/up c/)]);
    expect([...a.refused, ...b.refused, ...c.refused]).toEqual([]);
  });

  test('bytes after the handshake, in both directions', async () => {
    const places: Places = new Map();
    const a = await site('a@127.0.0.1', places, { tls: good });
    const b = await site('b@127.0.0.1', places, { tls: good });
    await a.connector.dial('b@127.0.0.1');
    await b.happened(/up a/);
    const to = a.up.get('b@127.0.0.1')!;
    const from = b.up.get('a@127.0.0.1')!;
    const sent = Buffer.alloc(3_000_000, 'abcdefg');
    const pieces: Buffer[] = [];
    const all = new Promise<void>((resolve) => {
      from.socket.on('data', (chunk: Buffer) => {
        pieces.push(chunk);
        if (pieces.reduce((sum, piece) => sum + piece.length, 0) === sent.length) resolve();
      });
    });
    to.socket.write(sent);
    await all;
    expect(Buffer.concat(pieces).equals(sent)).toBe(true);
  });

  test('a certificate for another host is refused by who dials', async () => {
    const places: Places = new Map();
    const a = await site('a@127.0.0.1', places, { tls: good });
    await site('b@127.0.0.1', places, { tls: elsewhere });
    await expect(a.connector.dial('b@127.0.0.1')).rejects.toThrow(failed('tls'));
    await expect(a.connector.dial('b@127.0.0.1')).rejects.toThrow(/ERR_TLS_CERT_ALTNAME_INVALID/);
  });

  test('a certificate of another authority is refused by either side', async () => {
    const places: Places = new Map();
    const a = await site('a@127.0.0.1', places, { tls: good });
    const b = await site('b@127.0.0.1', places, { tls: { ...good, key: foreign.key, cert: foreign.cert } });
    await expect(a.connector.dial('b@127.0.0.1')).rejects.toThrow(failed('tls'));
    await expect(b.connector.dial('a@127.0.0.1')).rejects.toThrow(failed('tls'));
    await a.happened(/refused undefined tls/);
    expect([a.up.size, b.up.size]).toEqual([0, 0]);
  });

  test('nobody gets in without a certificate, unless certificates are not verified', async () => {
    const places: Places = new Map();
    const a = await site('a@127.0.0.1', places, { tls: good });
    const socket = connect({ port: a.port, host: '127.0.0.1', rejectUnauthorized: false });
    await new Promise((resolve) => {
      socket.on('error', () => socket.destroy());
      socket.on('close', resolve);
    });
    await a.happened(/refused undefined tls/);

    const b = await site('b@127.0.0.1', places, { tls: { ...good, verify: false } });
    const c = await site('c@127.0.0.1', places, { tls: { ...foreign, verify: false } });
    await c.connector.dial('b@127.0.0.1');
    await b.happened(/up c/);
    expect([a.log, b.log, c.log]).toEqual([
      [expect.stringMatching(/^refused undefined tls/)],
      ['up c@127.0.0.1'],
      ['up b@127.0.0.1'],
    ]);
  });

  test('plain TCP to a TLS port, and TLS to a plain one', async () => {
    const places: Places = new Map();
    const a = await site('a@127.0.0.1', places, { tls: good });
    const b = await site('b@127.0.0.1', places);
    await expect(b.connector.dial('a@127.0.0.1')).rejects.toThrow(failed('closed'));
    await a.happened(/refused undefined tls/);
    await expect(a.connector.dial('b@127.0.0.1')).rejects.toThrow(failed('tls'));
    await b.happened(/refused undefined bad_message/);
  });

  test('who connects and says nothing is limited in time and number', async () => {
    const a = await site('a@127.0.0.1', new Map(), { tls: good, setupTimeoutMs: 50, maxPending: 1 });
    const first = Wire.to(a.port);
    await new Promise((resolve) => first.socket.once('connect', resolve));
    const second = Wire.to(a.port);
    await Promise.all([first.closed, second.closed]);
    const reasons = a.refused.map(({ reason }) => reason);
    expect(reasons[0]).toBe('gave_way');
    expect(reasons.at(-1)).toBe('tls: ERR_TLS_HANDSHAKE_TIMEOUT');
  });

  test('another cookie is found over TLS too', async () => {
    const places: Places = new Map();
    const a = await site('a@127.0.0.1', places, { tls: good });
    await site('b@127.0.0.1', places, { tls: good, cookie: () => 'other' });
    await expect(a.connector.dial('b@127.0.0.1')).rejects.toThrow(failed('cookie'));
  });

  test('certificates that are none, and keys with a password', () => {
    expect(() => new SecureIdentity({ key: 'x', cert: 'y' })).toThrow(
      expect.objectContaining({ code: 'TROUPE_BAD_ARGUMENT' }),
    );
    const key = ours.encrypt('good', 'open');
    expect(() => new SecureIdentity({ ...good, key })).toThrow(
      expect.objectContaining({ code: 'TROUPE_BAD_ARGUMENT' }),
    );
    expect(() => new SecureIdentity({ ...good, key, passphrase: 'open' })).not.toThrow();
  });

  describe.skipIf(erl.missing)('with Erlang', () => {
    test('both verify the other, whoever dials', async () => {
      const { node, resolve, register } = await erlang(ours.optfile('good'));
      const a = await site('a@127.0.0.1', new Map(), { tls: good, cookie: () => TEST_COOKIE, resolve });
      await register('a', a.port);
      await a.connector.dial('otp@127.0.0.1');
      expect(await node.eval('nodes(hidden)')).toBe("['a@127.0.0.1']");
      await node.eval("erlang:disconnect_node('a@127.0.0.1')");
      await a.happened(/down otp/);
      expect(await node.eval("net_kernel:connect_node('a@127.0.0.1')")).toBe('true');
      await a.happened(/up otp/);
      expect(a.up.get('otp@127.0.0.1')).toMatchObject({ initiator: false });
    });

    test('a certificate of another authority, both ways', async () => {
      const { node, resolve, register } = await erlang(ours.optfile('good'));
      const a = await site('a@127.0.0.1', new Map(), { tls: foreign, cookie: () => TEST_COOKIE, resolve });
      await register('a', a.port);
      await expect(a.connector.dial('otp@127.0.0.1')).rejects.toThrow(failed('tls'));
      const b = await site('b@127.0.0.1', new Map(), {
        tls: { ...foreign, verify: false },
        cookie: () => TEST_COOKIE,
        resolve,
      });
      await expect(b.connector.dial('otp@127.0.0.1')).rejects.toThrow(failed('tls'));
      expect(await node.eval("net_kernel:connect_node('a@127.0.0.1')")).toBe('false');
      await a.happened(/refused undefined tls/);
    });

    test('Erlang refuses a certificate for another host', async () => {
      const { node, resolve, register } = await erlang(ours.optfile('good'));
      const a = await site('a@127.0.0.1', new Map(), { tls: elsewhere, cookie: () => TEST_COOKIE, resolve });
      await register('a', a.port);
      expect(await node.eval("net_kernel:connect_node('a@127.0.0.1')")).toBe('false');
      await a.happened(/refused undefined tls/);
    });

    /** An Erlang node that uses TLS, with an epmd. */
    async function erlang(optfile: string) {
      const epmdPort = await freePort();
      const program = await startEpmd(epmdPort);
      onTestFinished(() => program.stop());
      const args = ['-proto_dist', 'inet_tls', '-ssl_dist_optfile', optfile];
      const node = await startErl({ name: 'otp@127.0.0.1', epmdPort, args });
      onTestFinished(() => node.stop());
      const epmd = new Epmd({ mode: 'client', port: epmdPort }, { state: () => {} });
      onTestFinished(() => epmd.close());
      return {
        node,
        resolve: (peer: string) => epmd.resolve(peer),
        register: (alive: string, port: number) => epmd.register(alive, port, true),
      };
    }
  });
});

describe('the host of a certificate', () => {
  const certificate = (subjectaltname: string) =>
    ({ subject: { CN: '127.0.0.1' }, subjectaltname }) as Parameters<typeof checkNodeHost>[1];

  test.each([
    ['127.0.0.1', 'IP Address:127.0.0.1'],
    ['127.0.0.1', 'DNS:x, DNS:127.0.0.1'],
    ['host.example', 'DNS:host.example'],
    ['a.host.example', 'DNS:*.host.example'],
  ])('%s is in %s', (host, names) => {
    expect(checkNodeHost(host, certificate(names))).toBeUndefined();
  });

  test.each([
    ['127.0.0.1', 'IP Address:127.0.0.2'],
    ['127.0.0.1', 'DNS:127.0.0.10'],
    ['host.example', 'DNS:other.example'],
  ])('%s is not in %s', (host, names) => {
    expect(checkNodeHost(host, certificate(names))).toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  });
});
