// `npm run docs` builds the site: every page of docs/ is on it, an entry for each part of the API, and no link is dead.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { addressOf, relink, sections, writtenPages } from '../../scripts/lib/site.mjs';
import { execute, registryAnswers } from '../support/package/project.ts';

const BUILD_LIMIT_MS = 400_000;
const root = join(import.meta.dirname, '../..');
const site = join(root, 'dist/docs');

describe('the pages of the site', () => {
  const pages = writtenPages();

  test('have a place in the order, or in an index', () => {
    const listed = sections(pages).flatMap(({ paths }) => paths);
    const others = [...pages.keys()].filter((path) => !listed.includes(path) && !/^adr\/\d/.test(path));
    expect(others).toEqual(['index.md']);
  });

  test('link to pages of the site; what is not on it is text', () => {
    const text =
      '[one](../errors.md#errors) [two](../../src/index.ts) [three](../../examples/job-queue.ts) [four](https://example.org)';
    expect(relink('guide/a.md', text, pages)).toBe(
      '[one](../errors.md#errors) [two](../../src/index.ts) [three](../examples/job-queue.md) [four](https://example.org)',
    );
    expect(relink('guide/a.md', '[licence](../../LICENSE)', pages)).toBe('licence');
  });
});

describe('npm run docs', () => {
  let failure: string | undefined;
  beforeAll(async () => {
    const { exitCode, stderr } = await execute(process.execPath, ['scripts/docs.mjs'], root, BUILD_LIMIT_MS);
    if (exitCode === 0) return;
    failure = stderr;
    if (!stderr.includes('npm ci in docs/ failed')) throw new Error(stderr);
    if (process.env['CI'] === 'true' && (await registryAnswers())) throw new Error(stderr);
    process.stderr.write(`tests skipped: ${stderr}`);
  }, BUILD_LIMIT_MS);

  test('makes every page, the reference and llms.txt', ({ skip }) => {
    skip(failure !== undefined, failure);
    const expected = [...writtenPages().keys()].map(addressOf);
    expect(expected.filter((path) => !existsSync(join(site, path)))).toEqual([]);
    const reference = [
      'client',
      'distribution/erlang',
      'fastify',
      'index/overview',
      'inspect',
      'repl',
      'testing',
    ];
    expect(reference.filter((path) => !existsSync(join(site, `api/${path}.html`)))).toEqual([]);
    expect(readFileSync(join(site, 'api/testing.html'), 'utf8')).toContain('createManualClock');
    const linked = [...readFileSync(join(site, 'llms.txt'), 'utf8').matchAll(/\]\(\/([^)]+)\): \S/g)];
    expect(linked.length).toBeGreaterThan(20);
    expect(linked.filter(([, path]) => !existsSync(join(site, path!)))).toEqual([]);
  });

  test('shows nothing internal, and has no dead link', ({ skip }) => {
    skip(failure !== undefined, failure);
    const pages = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((path) =>
      path.endsWith('.html'),
    );
    const dead = pages.flatMap((page) =>
      [...readFileSync(join(site, page), 'utf8').matchAll(/<a [^>]*href="(?!https?:|mailto:|#)([^"#?]+)/g)]
        .map(([, href]) => (href!.startsWith('/') ? href!.slice(1) : join(dirname(page), href!)))
        .filter((path) => !existsSync(join(site, path)))
        .map((path) => `${page}: ${path}`),
    );
    expect(dead).toEqual([]);
    expect(readFileSync(join(site, 'api/index/overview.html'), 'utf8')).not.toContain('@internal');
  });
});
