// Reads .env, when there is one, into the environment. What the environment has already stays as it is.
// A secret in it that others can read gets a warning and nothing more: a file that was just copied is readable by all.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseEnv } from 'node:util';

const file = join(fileURLToPath(new URL('../..', import.meta.url)), '.env');
if (existsSync(file)) {
  process.loadEnvFile(file);
  const { TROUPE_COOKIE, DATABASE_URL } = parseEnv(readFileSync(file, 'utf8'));
  /** @type {string[]} */
  const secrets = [];
  if (TROUPE_COOKIE) secrets.push('TROUPE_COOKIE');
  if (DATABASE_URL && /:\/\/[^/@]*:[^/@]|[?&]password=/.test(DATABASE_URL)) secrets.push('DATABASE_URL');
  if (secrets.length > 0 && process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0) {
    const names = secrets.join(' and ');
    process.stderr.write(`warning: others can read .env, which holds ${names}: run \`chmod 600 .env\`\n`);
  }
}
