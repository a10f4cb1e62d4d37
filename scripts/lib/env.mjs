// Reads .env, when there is one, into the environment. What the environment has already stays as it is.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const file = join(fileURLToPath(new URL('../..', import.meta.url)), '.env');
if (existsSync(file)) process.loadEnvFile(file);
