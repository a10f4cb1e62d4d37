// Distribution over TLS with Erlang nodes (`-proto_dist inet_tls`): both sides show certificates, whoever connects.
import { connect as connectPlain } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type Tuple, tuple } from 'troupe';
import { createProbe } from 'troupe/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TlsOptions } from '../../src/runtime/distribution/erlang/internal.ts';
import { Authority, hasOpenssl } from '../runtime/distribution/erlang/certificates.ts';
import type { ErlNode } from '../support/erl.ts';
import { requirePart } from '../support/parts.ts';
import { evaluates, type Lab, next, openLab, telemetry } from './lab.ts';

const part = requirePart('erl');
const LARGE_BYTES = 20_000_000;

describe.skipIf(part.missing || !hasOpenssl())('over TLS', () => {
  let shared: Lab;
  let ours: Authority;
  let others: Authority;
  let good: TlsOptions;
  let erl: ErlNode;
  beforeAll(async () => {
    ours = new Authority('ours');
    others = new Authority('others');
    good = ours.issue('good', 'DNS:127.0.0.1,IP:127.0.0.1');
    shared = await openLab();
    const optfile = ours.optfile('good');
    erl = await shared.erl('beam', { args: ['-proto_dist', 'inet_tls', '-ssl_dist_optfile', optfile] });
    await erl.load('agent.erl');
  });
  afterAll(async () => {
    await shared.close();
    ours.remove();
    others.remove();
  });

  test('either side connects, and 20 MB pass each way', async () => {
    const lab = shared.forTest();
    const troupe = await lab.troupe('ts', { tls: good });
    expect(await erl.eval(`net_adm:ping('${troupe.name}')`)).toBe('pong');
    troupe.node.disconnect(erl.name);
    await evaluates(erl, 'nodes(hidden)', '[]');
    expect(await troupe.node.connect(erl.name)).toBe(true);
    const probe = createProbe(troupe.node, { name: 'probe' });
    await erl.eval('agent:echo(echo), ok');
    const large = new Uint8Array(LARGE_BYTES).fill(200);
    probe.send({ name: 'echo', node: erl.name }, tuple(probe.pid, large));
    const [back] = ((await next(probe)) as Tuple<[Uint8Array]>).elements;
    expect(back.length).toBe(LARGE_BYTES);
    expect(Buffer.from(back).equals(Buffer.from(large))).toBe(true);
  });

  test('a certificate of another authority is refused, whoever connects', async () => {
    const lab = shared.forTest();
    const refused = telemetry('troupe:distribution:refused');
    const foreign = others.issue('foreign', 'DNS:127.0.0.1,IP:127.0.0.1');
    const troupe = await lab.troupe('foreign', { tls: foreign });
    expect(await troupe.node.connect(erl.name)).toBe(false);
    expect(refused.at(-1)?.reason).toMatch(/tls|certificate/i);
    expect(await erl.eval(`net_adm:ping('${troupe.name}')`)).toBe('pang');
  });

  test('a certificate for another host is refused', async () => {
    const lab = shared.forTest();
    const elsewhere = ours.issue('elsewhere', 'DNS:elsewhere.example');
    const troupe = await lab.troupe('elsewhere', { tls: elsewhere });
    expect(await erl.eval(`net_adm:ping('${troupe.name}')`)).toBe('pang');
  });

  test('a node without a certificate, or without TLS, is refused', async () => {
    const lab = shared.forTest();
    const troupe = await lab.troupe('strict', { tls: good });
    const port = Number(await erl.eval('{port, P, _} = erl_epmd:port_please("strict", {127,0,0,1}), P'));
    const ended = (open: (done: () => void) => void) => new Promise<void>(open);
    await ended((done) => {
      const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
      socket.on('error', () => socket.destroy()); // the alert that asks for a certificate
      socket.on('close', () => done());
    });
    await ended((done) => {
      const socket = connectPlain({ port, host: '127.0.0.1' }, () =>
        socket.write('\0\x17Nnot TLS at all........'),
      );
      socket.on('error', () => socket.destroy()); // a reset is as good as an end
      socket.on('close', () => done());
    });
    const plain = await lab.troupe('plain');
    expect(await plain.node.connect(troupe.name)).toBe(false);
    expect(await plain.node.connect(erl.name)).toBe(false);
    expect(await troupe.node.connect(erl.name)).toBe(true);
  });
});
