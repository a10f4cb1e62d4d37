// The built page in a real browser: a note at an address of its own, the keys, and the panel that shows what is happening. The server is a fake
// (fake-server.ts).
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { requirePart } from '../../support/parts.ts';
import { launch, live, noteNamed, titles } from '../../support/page.ts';
import { buildPage, type BuiltPage, Stage } from './browser.ts';

const part = requirePart('chromium');
const refusedRequest = /status of (404|422|503)/;
const lostConnection = /WebSocket connection|ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE/;

describe.skipIf(part.missing)('around the page', () => {
  let built: BuiltPage;
  let browser: Browser;
  let stage: Stage;
  let provoked: RegExp[] = [];

  beforeAll(async () => {
    [built, browser] = await Promise.all([buildPage(), launch(part.path)]);
  });
  afterAll(async () => {
    await browser.close();
    await built.remove();
  });
  beforeEach(async () => {
    provoked = [];
    stage = await Stage.open(browser, built.dir);
  });
  afterEach(() => stage.close(...provoked));

  describe('a note alone', () => {
    test('has an address that outlives a reload, also beyond the first page, and shows its changes', async () => {
      const { id } = stage.server.create({ title: 'Deep', body: 'text', author: 'Ada' });
      for (let n = 0; n < 5; n += 1) stage.server.create({ title: `t${n}`, body: 'text', author: 'Ada' });
      stage.server.pageNotes = 2;
      const page = await stage.page({}, `#/notes/${id}`);
      expect(await titles(page)).toEqual(['Deep']);
      expect(await page.title()).toBe('Deep – Notes');
      await page.getByTestId('changes').filter({ hasText: 'Ada wrote it' }).waitFor();
      stage.server.update(id, { title: 'Deeper', body: 'text', updatedBy: 'Joe' });
      await page.getByTestId('changes').filter({ hasText: 'Joe' }).waitFor();
      await page.reload();
      await live(page);
      expect(await titles(page)).toEqual(['Deeper']);
      await page.getByTestId('back').click();
      await noteNamed(page, 't4').waitFor();
      expect(new URL(page.url()).hash).toBe('#/');
      await page.goBack();
      await noteNamed(page, 'Deeper').waitFor();
      await page.getByRole('searchbox').fill('t3');
      await page.getByTestId('count').filter({ hasText: '1 note found' }).waitFor();
      expect(new URL(page.url()).hash).toBe('#/');
      expect(await page.title()).toBe('Notes');
    });

    test('has links to other sites, which open beside the page; markup stays text', async () => {
      const body =
        'See https://example.org/a, <a href="javascript:alert(1)">not this</a> javascript:alert(1)';
      stage.server.create({ title: 'Links', body, author: 'Ada' });
      const page = await stage.page();
      const text = noteNamed(page, 'Links').getByTestId('note-body');
      expect(await text.innerText()).toBe(body);
      const links = text.getByRole('link');
      expect(await links.allInnerTexts()).toEqual(['https://example.org/a']);
      const attributes = await links.evaluate((link) =>
        Object.fromEntries(Array.from(link.attributes, ({ name, value }) => [name, value])),
      );
      expect(attributes).toEqual({
        href: 'https://example.org/a',
        target: '_blank',
        rel: 'noopener noreferrer',
      });
      await page
        .context()
        .route('https://example.org/a', (route) =>
          route.fulfill({ contentType: 'text/html', body: '<title>there</title>' }),
        );
      const [there] = await Promise.all([page.context().waitForEvent('page'), links.click()]);
      await there.waitForURL('https://example.org/a');
      expect(await there.evaluate(() => [window.opener, document.referrer])).toEqual([null, '']);
      expect(new URL(page.url()).hash).toBe('');
    });

    test('that is gone says so, and is there again when it is restored', async () => {
      provoked = [refusedRequest];
      const { id } = stage.server.create({ title: 'Bread', body: 'text', author: 'Ada' });
      const page = await stage.page({}, `#/notes/${id}`);
      await noteNamed(page, 'Bread').waitFor();
      stage.server.remove(id);
      await page
        .getByTestId('missing')
        .filter({ hasText: `There is no note ${id}.` })
        .waitFor();
      await page.reload();
      await page.getByTestId('missing').waitFor();
      stage.server.restore(id);
      await noteNamed(page, 'Bread').waitFor();
      await page.getByRole('button', { name: 'Delete “Bread”' }).click();
      await page.getByTestId('confirm-delete').click();
      await page.getByTestId('missing').waitFor();
      await page.getByRole('button', { name: 'Undo' }).click();
      await noteNamed(page, 'Bread').waitFor();
      await page.goto(`${stage.server.url}#/notes/0`);
      await page.getByTestId('count').filter({ hasText: '1 note' }).waitFor();
      expect(await page.getByTestId('missing').count()).toBe(0);
    });

    test('that cannot be read says so until it can', async () => {
      provoked = [refusedRequest];
      const { id } = stage.server.create({ title: 'Bread', body: 'text', author: 'Ada' });
      stage.server.refusal = { status: 503, body: { error: 'database is away' } };
      const page = await stage.page({}, `#/notes/${id}`, 'any');
      await page.getByTestId('note-error').filter({ hasText: 'The note could not be read.' }).waitFor();
      stage.server.refusal = null;
      await page.getByTestId('note-error').getByRole('button', { name: 'Try now' }).click();
      await noteNamed(page, 'Bread').waitFor();
      expect(await page.getByTestId('note-error').count()).toBe(0);
    });
  });

  describe('single keys', () => {
    const focused = (page: Page) => page.evaluate('document.activeElement.id');

    test('lead through the notes and do what is listed', async () => {
      for (const title of ['c', 'b', 'a']) stage.server.create({ title, body: 'text', author: 'Ada' });
      const page = await stage.page();
      await page.keyboard.press('j');
      await page.keyboard.press('j');
      expect(await focused(page)).toBe('note-2');
      await page.keyboard.press('k');
      expect(await focused(page)).toBe('note-3');
      await page.keyboard.press('o');
      await page.getByTestId('back').waitFor();
      await page.keyboard.press('Escape');
      await page.getByTestId('back').waitFor({ state: 'detached' });
      expect(await focused(page)).toBe('note-3');
      await page.keyboard.press('e');
      expect(await focused(page)).toBe('edit-title-3');
      await page.keyboard.press('Escape');
      await page.keyboard.press('d');
      await page.getByTestId('confirm-delete').click();
      await page.getByTestId('undo').waitFor();
      await page.keyboard.press('z');
      await noteNamed(page, 'a').waitFor();
      await page.getByTestId('undo').waitFor({ state: 'detached' });
      await page.keyboard.press('/');
      expect(await focused(page)).toBe('search');
      await page.locator('h1').click();
      await page.keyboard.press('n');
      expect(await focused(page)).toBe('new-title');
    });

    test('are typed in fields, not taken, nor with Ctrl, nor once they are switched off', async () => {
      const page = await stage.page();
      for (const field of ['new-title', 'new-body', 'search']) {
        await page.getByTestId(field).pressSequentially('?njkoedzw/');
        expect(await page.getByTestId(field).inputValue()).toBe('?njkoedzw/');
      }
      await page.locator('h1').click();
      for (const key of ['Control+e', 'Alt+n', 'Meta+j', 'x']) await page.keyboard.press(key);
      expect(await page.getByRole('dialog').count()).toBe(0);
      await page.keyboard.press('?');
      await page.getByRole('dialog', { name: 'Keys' }).waitFor();
      await page.keyboard.press('n');
      await page.getByTestId('shortcuts').uncheck();
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'hidden' });
      await page.reload();
      await live(page);
      await page.keyboard.press('n');
      await page.keyboard.press('?');
      expect(await focused(page)).toBe('');
      expect(await page.getByRole('dialog').count()).toBe(0);
    });
  });

  test('what is happening is shown while it is wanted, and again after a loss', async () => {
    provoked = [lostConnection];
    const page = await stage.page();
    await page.getByRole('button', { name: 'What is happening' }).click();
    await page.getByTestId('happening-pid').filter({ hasText: '<0.57.0>' }).waitFor();
    expect(await page.getByTestId('happening-client').innerText()).toBe('live');
    expect(await page.getByTestId('observer-link').evaluate((link: HTMLAnchorElement) => link.href)).toBe(
      new URL('observer/', stage.server.url).href,
    );
    for (let n = 0; n < 60; n += 1) stage.server.create({ title: `t${n}`, body: 'text', author: 'Joe' });
    await page.getByTestId('happening-messages').filter({ hasText: 't59' }).waitFor();
    await page.getByTestId('happening-position').filter({ hasText: 'e1:60' }).waitFor();
    expect(await page.getByTestId('happening-messages').locator('li').count()).toBe(50);
    stage.server.closeSockets(1001);
    await page.getByTestId('happening-pid').waitFor({ state: 'detached' });
    await page.getByTestId('happening-pid').waitFor();
    await page.getByRole('button', { name: 'Close' }).click();
    await page.getByTestId('happening').waitFor({ state: 'detached' });
    stage.server.create({ title: 'quiet', body: 'text', author: 'Joe' });
    await noteNamed(page, 'quiet').waitFor();
    await page.keyboard.press('w');
    await page.getByTestId('happening-members').filter({ hasText: 'note_indexer' }).waitFor();
    expect(await page.getByTestId('happening-messages').count()).toBe(0);
  });
});
