// Two pages in a real browser on the real program: what one does the other shows; and when the server is killed and comes
// back, both show what has changed meanwhile. A page that reports an error, or breaks its policy, fails the test.
import type { BrowserContext, Page } from 'playwright-core';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { makeNote, type Program, startProgram } from '../app/support/program.ts';
import { announced, live, noteNamed, titles } from '../support/page.ts';
import { requirePart } from '../support/parts.ts';
import { stage } from './setup.ts';

// Starts a browser and several processes, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 300_000 });

/** What Chromium says by itself while the server is away, and while it comes back. */
const LOST_CONNECTION =
  /WebSocket connection to '.*' failed|ERR_CONNECTION_(REFUSED|RESET)|ERR_EMPTY_RESPONSE|status of 503/;

describe.skipIf(requirePart('chromium').missing)('two pages on the running program', () => {
  const set = stage();
  let env: Record<string, string>;
  let program: Program;
  let port: number;
  let contexts: BrowserContext[];
  let errors: string[];

  beforeEach(() => {
    [contexts, errors] = [[], []];
  });
  afterEach(async () => {
    for (const context of contexts) await context.close();
  });

  /** Starts the program; again on the port that it had. */
  async function start(): Promise<void> {
    program = startProgram({ env });
    port = await program.port;
    env['PORT'] = String(port);
  }

  /** Opens a page in a browser profile of its own, and waits until it is live. */
  async function openPage(): Promise<Page> {
    const context = await set().browser.newContext();
    contexts.push(context);
    context.setDefaultTimeout(60_000);
    context.on('weberror', (error) => errors.push(error.error().message));
    context.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text());
    });
    const page = await context.newPage();
    await page.goto(`http://127.0.0.1:${port}/`);
    await live(page);
    return page;
  }

  async function write(page: Page, title: string, body: string): Promise<void> {
    await page.getByLabel('Title').fill(title);
    await page.getByLabel('Text').fill(body);
    await page.getByLabel('Your name').fill('Ada');
    await page.getByRole('button', { name: 'Add note' }).click();
  }

  test('a note made in one appears in the other, as does a change, a search and a deletion', async () => {
    env = { DATA_DIR: set().folders.make() };
    await start();
    const [mine, other] = [await openPage(), await openPage()];
    await write(mine, 'Bread', 'flour & <water>');
    await noteNamed(other, 'Bread').waitFor();
    await noteNamed(mine, 'Bread').waitFor();
    expect(await other.getByTestId('note-body').innerText()).toBe('flour & <water>');
    await announced(other, 'Ada added “Bread”.');

    await other.getByRole('button', { name: 'Edit “Bread”' }).click();
    const form = other.getByRole('form', { name: 'Edit “Bread”' });
    await form.getByLabel('Title').fill('Sourdough');
    await form.getByRole('button', { name: 'Save' }).click();
    await noteNamed(mine, 'Sourdough').waitFor();

    await write(other, 'Soup', 'water');
    await noteNamed(mine, 'Soup').waitFor();
    await mine.getByRole('searchbox', { name: 'Search the notes' }).fill('sour');
    await mine.getByTestId('count').filter({ hasText: '1' }).waitFor();
    await noteNamed(mine, 'Soup').waitFor({ state: 'detached' });
    expect(await titles(mine)).toEqual(['Sourdough']);
    await write(other, 'Sour cream', 'milk');
    await noteNamed(mine, 'Sour cream').waitFor();

    await mine.getByRole('button', { name: 'What is happening' }).click();
    await other.getByRole('button', { name: 'What is happening' }).click();
    const [pid, otherPid] = [
      await mine.getByTestId('happening-pid').innerText(),
      await other.getByTestId('happening-pid').innerText(),
    ];
    expect(pid).toMatch(/^<0\.\d+\.0>$/);
    for (const name of [pid, otherPid, 'note_indexer'])
      await mine.getByTestId('happening-members').filter({ hasText: name }).waitFor();

    await other.getByRole('button', { name: 'Delete “Sourdough”' }).click();
    await other.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await mine.getByTestId('happening-messages').filter({ hasText: 'note_deleted' }).waitFor();
    await noteNamed(mine, 'Sourdough').waitFor({ state: 'detached' });
    await other.getByRole('button', { name: 'Undo' }).click();
    for (const page of [mine, other]) await noteNamed(page, 'Sourdough').waitFor();
    await other.getByRole('button', { name: 'Delete “Sourdough”' }).click();
    await other.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await noteNamed(other, 'Sourdough').waitFor({ state: 'detached' });
    await noteNamed(mine, 'Sourdough').waitFor({ state: 'detached' });
    expect(await titles(other)).toEqual(['Sour cream', 'Soup']);
    expect(errors).toEqual([]);
  });

  test('the server is killed and started again: both reconnect and show what has changed meanwhile', async () => {
    env = { DATA_DIR: set().folders.make() };
    await start();
    await makeNote(port, 'Kept');
    const pages = [await openPage(), await openPage()];
    for (const page of pages) await noteNamed(page, 'Kept').waitFor();
    program.signal('SIGKILL');
    await program.ended;
    for (const page of pages) await page.locator('[data-testid=status][data-state=waiting]').waitFor();

    // Somebody changes the notes where the pages cannot see it.
    const elsewhere = startProgram({ env: { ...env, PORT: '0' } });
    await makeNote(await elsewhere.port, 'Made meanwhile');
    elsewhere.signal('SIGTERM');
    expect(await elsewhere.ended).toMatchObject({ code: 0 });

    await start();
    for (const page of pages) {
      await live(page);
      await noteNamed(page, 'Made meanwhile').waitFor();
      expect(await titles(page)).toEqual(['Made meanwhile', 'Kept']);
    }
    const [mine, other] = pages as [Page, Page];
    await write(mine, 'After', 'all');
    await noteNamed(other, 'After').waitFor();

    program.signal('SIGTERM');
    expect(await program.ended).toMatchObject({ code: 0, stderr: '' });
    await start();
    for (const page of pages) await live(page);
    await write(other, 'Again', 'and again');
    await noteNamed(mine, 'Again').waitFor();
    expect(errors.filter((error) => !LOST_CONNECTION.test(error))).toEqual([]);
  });

  test('the policy of the page keeps out what does not come from the server', async () => {
    env = { DATA_DIR: set().folders.make() };
    await start();
    const page = await openPage();
    expect(errors).toEqual([]);
    await page.evaluate(`{
      const script = document.createElement('script');
      script.textContent = 'globalThis.intruded = true';
      document.body.append(script);
      const image = document.createElement('img');
      image.setAttribute('onerror', 'globalThis.intruded = true');
      image.src = 'data:image/gif,nonsense';
      document.body.append(image);
    }`);
    const connect = `fetch('http://127.0.0.1:1/').then(() => 'connected', () => 'refused')`;
    expect(await page.evaluate(connect)).toBe('refused');
    expect(await page.evaluate('globalThis.intruded')).toBe(undefined);
    const violations = errors.filter((error) => error.includes('Content Security Policy'));
    expect(violations.length).toBeGreaterThanOrEqual(3);
  });
});
