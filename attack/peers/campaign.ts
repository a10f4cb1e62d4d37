// Plays attacks of other nodes, each against a node of its own with good peers beside it, an Erlang node among them, over TCP and TLS.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AttackOptions, Family } from '../family.ts';
import type { Kind } from './kind.ts';
import { allKinds } from './kinds.ts';
import { type TlsFiles, Victim } from './victim.ts';
import { Witnesses } from './witness.ts';

/** A node, attacked by other nodes. */
export const peersFamily: Family = {
  name: 'peers',
  kinds: new Map(allKinds.map(({ name, title }) => [name, title])),
  async play(names, options, print) {
    const kinds = allKinds.filter(({ name }) => names.includes(name));
    if (kinds.length === 0) return 0;
    print('a node         longest stop   memory  good: calls lost');
    const folder = mkdtempSync(join(tmpdir(), 'troupe-attack-'));
    let broken = 0;
    try {
      const tls = certificate(folder);
      for (const transport of options.transports) {
        for (const kind of kinds) {
          // oxlint-disable-next-line no-await-in-loop -- one attack at a time
          const { row, faults } = await run(kind, transport === 'TLS' ? tls : undefined, folder, options);
          if (faults.length > 0) broken++;
          print([row, ...faults.map((fault) => `  - ${fault}`)].join('\n'));
        }
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
    return broken;
  },
};

async function run(
  kind: Kind,
  tls: TlsFiles | undefined,
  folder: string,
  { checkout, stopMs, memoryBytes, noErlang }: AttackOptions,
): Promise<{ row: string; faults: readonly string[] }> {
  const title = `${kind.name} ${tls === undefined ? 'TCP' : 'TLS'}`.padEnd(14);
  const name = 'attacked@127.0.0.1';
  const victim = await Victim.start(join(checkout, 'dist'), {
    name,
    epmdPort: await freePort(),
    cookie: 'attack',
    tls,
  });
  const witnesses = await Witnesses.start(victim, folder, !noErlang);
  try {
    await victim.begin();
    const before = witnesses.losses();
    const faults = [...(await kind.attack({ victim, witnesses }))];
    const { longestMs, peakBytes, alive } = await victim.report();
    const after = witnesses.losses();
    const lost = after.lost - before.lost;
    if (longestMs > stopMs) faults.push(`the event loop stood longer than ${stopMs} ms`);
    if (peakBytes > memoryBytes) faults.push(`it took more than ${Math.round(memoryBytes / 1e6)} MB`);
    if (!alive) faults.push('the application has ended or was restarted');
    // A peer that reconnects on purpose has calls under way.
    if (lost > witnesses.reconnects) faults.push(`${lost} calls of good peers were lost`);
    if (after.connectionsLost > before.connectionsLost)
      faults.push('the Erlang node has lost its connection');
    const row = [
      title,
      `${longestMs.toFixed(0)} ms`.padStart(12),
      `${(peakBytes / 1e6).toFixed(0)} MB`.padStart(8),
      String(after.calls - before.calls).padStart(12),
      String(lost).padStart(4),
      witnesses.withErlang ? '' : '(no Erlang node)',
    ];
    return { row: row.join(' ').trimEnd(), faults };
  } catch (error) {
    return { row: title, faults: [error instanceof Error ? error.message : String(error)] };
  } finally {
    await witnesses.stop();
    await victim.stop();
  }
}

/** A key with a certificate, and the authority that has signed it. */
function certificate(folder: string): TlsFiles {
  const file = (name: string): string => join(folder, name);
  const openssl = (command: string): void => {
    execFileSync('openssl', command.split(' '), { stdio: 'ignore' });
  };
  const kind = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes';
  const [ca, key, cert] = [file('ca.pem'), file('key.pem'), file('cert.pem')];
  writeFileSync(file('names'), 'subjectAltName=DNS:localhost,DNS:127.0.0.1,IP:127.0.0.1\n');
  openssl(`req -x509 ${kind} -days 2 -subj /CN=attack -keyout ${file('ca.key')} -out ${ca}`);
  openssl(`req -new ${kind} -subj /CN=node -keyout ${key} -out ${file('csr')}`);
  openssl(
    `x509 -req -in ${file('csr')} -CA ${ca} -CAkey ${file('ca.key')} -CAcreateserial -days 2 -out ${cert} -extfile ${file('names')}`,
  );
  return { key, cert, ca };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
