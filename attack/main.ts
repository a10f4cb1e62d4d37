// The program behind `npm run attack`; see scripts/attack.mjs for its arguments.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { peers } from './kinds/peers.ts';
import type { Family, Kind } from './lib/kind.ts';
import { type TlsFiles, Victim } from './lib/victim.ts';
import { Witnesses } from './lib/witness.ts';

const MB = 1024 * 1024;
const families: readonly Family[] = [peers];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'stop-ms': { type: 'string', default: '250' },
    'peak-mb': { type: 'string', default: '1536' },
    tls: { type: 'boolean', default: false },
    tcp: { type: 'boolean', default: false },
    'no-erlang': { type: 'boolean', default: false },
  },
});
const limits = { longestMs: Number(values['stop-ms']), peakBytes: Number(values['peak-mb']) * MB };
const chosen = families.flatMap(({ name, kinds }) =>
  kinds.filter(
    (kind) =>
      positionals.length === 0 || positionals.includes(name) || positionals.includes(`${name}:${kind.name}`),
  ),
);
const transports = [
  ...(values.tls && !values.tcp ? [] : ['TCP']),
  ...(values.tcp && !values.tls ? [] : ['TLS']),
];

if (chosen.length === 0 || Object.values(limits).some(Number.isNaN)) {
  const known = families.flatMap(({ name, kinds }) => [name, ...kinds.map((kind) => `${name}:${kind.name}`)]);
  print(`nothing to do: there are ${known.join(', ')}`);
  process.exitCode = 2;
} else {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-attack-'));
  try {
    const tls = certificate(folder);
    for (const transport of transports) {
      for (const kind of chosen) {
        // oxlint-disable-next-line no-await-in-loop -- one attack at a time
        if (!(await run(kind, transport, transport === 'TLS' ? tls : undefined, folder)))
          process.exitCode = 1;
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @returns whether it was withstood. */
async function run(
  kind: Kind,
  transport: string,
  tls: TlsFiles | undefined,
  folder: string,
): Promise<boolean> {
  const name = 'attacked@127.0.0.1';
  const victim = await Victim.start({ name, epmdPort: await freePort(), cookie: 'attack', tls });
  const witnesses = await Witnesses.start(victim, folder, !values['no-erlang']);
  try {
    await victim.begin();
    const before = witnesses.losses();
    const faults = [...(await kind.attack({ victim, witnesses }))];
    const { longestMs, peakBytes, alive } = await victim.report();
    const after = witnesses.losses();
    const lost = after.lost - before.lost;
    if (longestMs > limits.longestMs)
      faults.push(`the event loop stood for more than ${limits.longestMs} ms`);
    if (peakBytes > limits.peakBytes) faults.push(`more than ${limits.peakBytes / MB} MB of memory`);
    if (!alive) faults.push('the application has ended or was restarted');
    // Who comes anew on purpose has calls under way.
    if (lost > witnesses.reconnects) faults.push(`${lost} calls of good peers were lost`);
    if (after.connectionsLost > before.connectionsLost)
      faults.push('the Erlang node has lost its connection');
    const measured = `longest stop ${longestMs.toFixed(0).padStart(4)} ms, peak ${(peakBytes / MB).toFixed(0).padStart(4)} MB`;
    const beside = `${after.calls - before.calls} calls of good peers${witnesses.withErlang ? '' : ' (no Erlang)'}, ${lost} lost`;
    print(
      `${transport} ${kind.name.padEnd(10)} ${measured}, ${beside}${faults.length === 0 ? '' : `: ${faults.join('; ')}`}`,
    );
    return faults.length === 0;
  } catch (error) {
    print(`${transport} ${kind.name.padEnd(10)} ${error instanceof Error ? error.message : String(error)}`);
    return false;
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

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
