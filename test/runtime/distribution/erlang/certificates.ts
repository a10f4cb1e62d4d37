// Certificates for tests of TLS, made by `openssl` in a folder of their own.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TlsOptions } from '../../../../src/runtime/distribution/erlang/internal.ts';

/** Whether there is an `openssl`; when not, says that tests are skipped, or with CI=true throws. */
export function hasOpenssl(): boolean {
  if (spawnSync('openssl', ['version']).status === 0) return true;
  const reason = 'openssl is not usable on this machine';
  if (process.env['CI'] === 'true') throw new Error(reason);
  process.stderr.write(`tests skipped: ${reason}\n`);
  return false;
}

/** An authority, and certificates signed by it. */
export class Authority {
  readonly folder = mkdtempSync(join(tmpdir(), 'troupe-tls-'));
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
    this.#openssl(
      `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=${name} ` +
        '-keyout ca.key -out ca.pem',
    );
  }

  /** Certificate and key for subject alternative names such as `DNS:localhost,IP:127.0.0.1`. */
  issue(file: string, names: string): TlsOptions {
    writeFileSync(join(this.folder, `${file}.ext`), `subjectAltName=${names}\n`);
    this.#openssl(
      `req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=${this.#name}-${file} ` +
        `-keyout ${file}.key -out ${file}.csr`,
    );
    this.#openssl(
      `x509 -req -in ${file}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out ${file}.pem -extfile ${file}.ext`,
    );
    return { key: this.#read(`${file}.key`), cert: this.#read(`${file}.pem`), ca: this.#read('ca.pem') };
  }

  /** Encrypts a key with a password. */
  encrypt(file: string, password: string): Buffer {
    this.#openssl(`pkey -in ${file}.key -aes256 -passout pass:${password} -out ${file}.enc.key`);
    return this.#read(`${file}.enc.key`);
  }

  /** The file for `-ssl_dist_optfile` of `erl`, with a certificate of this authority. */
  optfile(file: string): string {
    const path = (name: string) => JSON.stringify(join(this.folder, name));
    const options = `{certfile, ${path(`${file}.pem`)}}, {keyfile, ${path(`${file}.key`)}}, {cacertfile, ${path('ca.pem')}},
      {verify, verify_peer}`;
    const optfile = join(this.folder, `${file}.conf`);
    writeFileSync(
      optfile,
      `[{server, [${options}, {fail_if_no_peer_cert, true}]}, {client, [${options}]}].\n`,
    );
    return optfile;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }

  #read(file: string): Buffer {
    return readFileSync(join(this.folder, file));
  }

  #openssl(command: string): void {
    const result = spawnSync('openssl', command.split(' '), { cwd: this.folder, encoding: 'utf8' });
    if (result.status !== 0) throw new Error(`openssl ${command}: ${result.stderr}`);
  }
}
