/**
 * The search of the notes service at size: how long a start takes, and how long searches take, beside how many notes.
 *
 *   npm run build && node bench/search.mjs                                      100,000 notes in PGlite, in a temporary folder
 *   DATABASE_URL=postgres://… node bench/search.mjs --notes 1000000             on a server, in an EMPTY database
 *
 * It fills the database with notes that are indexed already, starts the service as a program of its own and asks it over
 * HTTP. Nothing is removed from a server: drop the database afterwards. Figures of one run on one machine.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { PGlite } from '@electric-sql/pglite';
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm';
import postgres from 'postgres';
import { columns, number } from './lib/table.mjs';

const PORT = 23_977;
const BASE = `http://127.0.0.1:${PORT}`;
const BATCH = 20_000;
const WORDS = 50_000;
const SEARCHES = 60;
const MEGABYTE = 1_024;

const { values } = parseArgs({ options: { notes: { type: 'string', default: '100000' } } });
const count = Number(values.notes);
const url = process.env['DATABASE_URL'];
const folder = mkdtempSync(join(tmpdir(), 'troupe-search-'));
const line = columns([34, 12, 12, 10]);

/** Words of letters, so that a small number is in many notes and a large one in few. */
const wordAt = (place) => `translate((${place})::text, '0123456789', 'abcdefghij')`;
const FILL = (from, until) => `
  with texts as (
    select 'note ' || ${wordAt('n')} as title,
      (select string_agg('w' || ${wordAt(`floor(power(${WORDS}, random()))::int`)}, ' ') from generate_series(1, 40 + n % 2)) || ' everywhere' ||
      case when n % 100000 = 7 then ' needle haystack' else '' end as body
    from generate_series(${from}, ${until}) as n
  )
  insert into notes (title, body, author, words, unindexed)
  select title, body, 'Ada',
    setweight(to_tsvector('simple', title), 'A') || strip(to_tsvector('simple', body)) || strip(to_tsvector('simple', 'ada')), null
  from texts`;

/** @param {(text: string) => Promise<unknown>} run */
async function fill(run) {
  await run('alter table notes disable trigger user');
  for (let from = 1; from <= count; from += BATCH) await run(FILL(from, Math.min(from + BATCH - 1, count)));
  await run('alter table notes enable trigger user');
  await run(`insert into note_words select 'w' || ${wordAt('n')} from generate_series(0, ${WORDS}) as n union
    select unnest(array['everywhere', 'needle', 'haystack', 'note']) on conflict do nothing`);
  await run('vacuum analyze notes');
  await run('vacuum analyze note_words');
}

async function fillDatabase() {
  if (url === undefined) {
    const client = await PGlite.create(join(folder, 'pglite'), { extensions: { pg_trgm } });
    await fill((text) => client.exec(text));
    await client.close();
    return;
  }
  const client = postgres(url, { max: 1, onnotice: () => {} });
  await fill((text) => client.unsafe(text));
  await client.end();
}

/** Starts the service; answers how long it took until it was ready. */
async function start() {
  const began = performance.now();
  const child = spawn(process.execPath, ['dist/app/main.js'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DATA_DIR: folder, HOST: '127.0.0.1', PORT: String(PORT), LOG_LEVEL: 'error' },
  });
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the service ended with ${child.exitCode}`);
    const isReady = await fetch(`${BASE}/readyz`).then(
      (answer) => answer.ok,
      () => false,
    );
    if (isReady) return { child, seconds: (performance.now() - began) / 1_000 };
    await sleep(20);
  }
}

async function stop(child) {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill();
  await ended;
}

/** Resident memory in megabytes, where /proc tells. */
function memoryOf(child) {
  try {
    const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? [];
    return Number(kilobytes) / MEGABYTE;
  } catch {
    return NaN;
  }
}

async function timeOf(path) {
  const began = performance.now();
  const answer = await fetch(`${BASE}/api/notes${path}`);
  const { notes = [] } = await answer.json();
  if (!answer.ok) throw new Error(`${path} is answered ${answer.status}`);
  return { ms: performance.now() - began, found: notes.length };
}

/** @param {(n: number) => string} queryOf */
const measure = (what, queryOf) => measurePaths(what, (n) => `?q=${encodeURIComponent(queryOf(n))}`);

async function measurePaths(what, pathOf) {
  const times = [];
  let found = 0;
  for (let n = 0; n < SEARCHES; n++) {
    const { ms, found: some } = await timeOf(pathOf(n));
    times.push(ms);
    found = some;
  }
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))];
  process.stdout.write(line(what, number(at(0.5)), number(at(0.99)), String(found)));
}

const letters = (place) => Array.from(String(place), (digit) => 'abcdefghij'[Number(digit)]).join('');

try {
  const first = await start(); // it makes the tables
  await stop(first.child);
  const second = await start();
  await stop(second.child);
  process.stdout.write(
    `no notes: ready after ${number(second.seconds)} s, ${number(first.seconds)} s the first time\n`,
  );
  const began = performance.now();
  await fillDatabase();
  process.stdout.write(`filled in ${number((performance.now() - began) / 1_000)} s\n`);
  const { child, seconds } = await start();
  try {
    process.stdout.write(
      `${number(count)} notes: ready after ${number(seconds)} s, ${number(memoryOf(child))} MB resident\n\n`,
    );
    process.stdout.write(line('search', 'median ms', 'p99 ms', 'on a page'));
    await measurePaths('no search: one note by its id', () => '/1');
    await measure('a rare word', () => 'needle');
    await measure('words that are in few notes', (n) => `w${letters(20_000 + n * 300)}`);
    await measure('a word in every note', () => 'everywhere');
    await measure('a word in a tenth of the notes', () => 'wd');
    await measure('a beginning of one letter', () => 'w');
    await measure('a rare beginning of two letters', () => 'ne');
    await measure('a mistyped word', () => 'evrywhere');
    await measure('a mistyped rare word', () => 'haystakc');
    await measure('two words', () => 'everywhere needle');
    await measure('two words in many notes', () => 'wb wc');
    await measure('a word that nothing is like', () => 'xylophone');
    process.stdout.write(`\n${number(memoryOf(child))} MB resident\n`);
  } finally {
    await stop(child);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
