// The built page in a real browser: what a person sees and does. The server is a fake of its own (fake-server.ts).
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { requirePart } from '../../support/parts.ts';
import { announced, launch, live, noteNamed, titles } from '../../support/page.ts';
import { buildPage, type BuiltPage, Stage } from './browser.ts';

const part = requirePart('chromium');
const refusedRequest = /status of (404|422|503)/;
const lostConnection = /WebSocket connection|ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE/;

describe.skipIf(part.missing)('the page', () => {
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

  async function write(page: Page, title: string, body: string, author: string): Promise<void> {
    await page.getByLabel('Title').fill(title);
    await page.getByLabel('Text').fill(body);
    await page.getByLabel('Your name').fill(author);
  }

  describe('a new note', () => {
    test('is written with the keyboard alone, and appears once in every open browser', async () => {
      const [mine, other] = [await stage.page(), await stage.page()];
      await mine.getByTestId('empty').waitFor();
      await mine.getByLabel('Title').focus();
      await mine.keyboard.type('Bread');
      await mine.keyboard.press('Tab');
      await mine.keyboard.type('flour');
      await mine.keyboard.press('Enter');
      await mine.keyboard.type('water');
      await mine.keyboard.press('Tab');
      await mine.keyboard.type('Ada');
      await mine.keyboard.press('Control+Enter');
      await noteNamed(mine, 'Bread').waitFor();
      await noteNamed(other, 'Bread').waitFor();
      await announced(other, 'Ada added “Bread”.');
      await announced(mine, 'Added “Bread”.');
      stage.server.create({ title: 'After it', body: 'text', author: 'Joe' });
      await noteNamed(mine, 'After it').waitFor();
      expect(await titles(mine)).toEqual(['After it', 'Bread']);
      expect(await mine.getByTestId('note-body').nth(1).innerText()).toBe('flour\nwater');
      expect(await mine.getByLabel('Title').inputValue()).toBe('');
      expect(await mine.getByLabel('Title').evaluate((field) => field === document.activeElement)).toBe(true);
    });

    test('is text, whatever it looks like', async () => {
      const page = await stage.page();
      await write(page, '<img src=x onerror=alert(1)>', '<script>alert(2)</script> & "quotes"', '<b>Ada</b>');
      await page.getByRole('button', { name: 'Add note' }).click();
      const note = page.getByTestId('note');
      await note.waitFor();
      expect(await note.getByTestId('note-title').innerText()).toBe('<img src=x onerror=alert(1)>');
      expect(await note.getByTestId('note-body').innerText()).toBe('<script>alert(2)</script> & "quotes"');
      expect(await note.getByTestId('note-author').innerText()).toBe('<b>Ada</b>');
      expect(await note.locator('img, script, b').count()).toBe(0);
    });

    test('half written outlives a reload; the name outlives the tab', async () => {
      const page = await stage.page();
      await write(page, 'Half', 'a thought\nand a half', 'Ada');
      await page.reload();
      await live(page);
      expect(await page.getByLabel('Title').inputValue()).toBe('Half');
      expect(await page.getByLabel('Text').inputValue()).toBe('a thought\nand a half');
      const tab = await page.context().newPage();
      await tab.goto(stage.server.url);
      await live(tab);
      expect(await tab.getByLabel('Title').inputValue()).toBe('');
      expect(await tab.getByLabel('Your name').inputValue()).toBe('Ada');
    });

    test('that is not complete is pointed at, field by field', async () => {
      const page = await stage.page();
      await page.getByLabel('Title').fill('x'.repeat(201));
      await page.getByTestId('new-title-problem').waitFor();
      await page.getByRole('button', { name: 'Add note' }).click();
      const text = page.getByLabel('Text');
      await page.getByTestId('new-body-problem').waitFor();
      expect(await text.getAttribute('aria-invalid')).toBe('true');
      expect(await text.getAttribute('aria-describedby')).toBe('new-body-note');
      expect(await page.getByTestId('new-author-problem').innerText()).toBe('Your name is missing.');
      expect(stage.server.requests).not.toContain('POST /api/notes');
    });

    test('that the server refuses stays in the form, with the reason beside it', async () => {
      provoked = [refusedRequest];
      const page = await stage.page();
      await write(page, 'Bread', 'flour', 'Ada');
      stage.server.refusal = {
        status: 503,
        body: { error: 'database is away' },
        headers: { 'retry-after': '2' },
      };
      await page.getByRole('button', { name: 'Add note' }).click();
      const error = page.getByTestId('new-error');
      await error.waitFor();
      expect(await error.innerText()).toContain(
        'database is away. Your text is kept. Try again in 2 seconds.',
      );
      expect(await page.getByLabel('Text').inputValue()).toBe('flour');
      stage.server.refusal = null;
      await page.getByRole('button', { name: 'Add note' }).click();
      await noteNamed(page, 'Bread').waitFor();
      await error.waitFor({ state: 'detached' });
    });
  });

  describe('editing', () => {
    let id = 0;
    let page: Page;

    beforeEach(async () => {
      id = stage.server.create({ title: 'Bread', body: 'flour', author: 'Ada' }).id;
      page = await stage.page();
      await page.getByRole('button', { name: 'Edit “Bread”' }).click();
    });

    const form = () => page.getByRole('form', { name: 'Edit “Bread”' });

    test('starts in the title, saves with Ctrl+Enter, and gives the focus back', async () => {
      expect(
        await form()
          .getByLabel('Title')
          .evaluate((field) => field === document.activeElement),
      ).toBe(true);
      await form().getByLabel('Text').fill('flour\nwater');
      await page.keyboard.press('Control+Enter');
      await form().waitFor({ state: 'detached' });
      expect(await page.getByTestId('note-body').innerText()).toBe('flour\nwater');
      await page.getByTestId('note-updated').waitFor();
      const edit = page.getByRole('button', { name: 'Edit “Bread”' });
      expect(await edit.evaluate((button) => button === document.activeElement)).toBe(true);
    });

    test('says whose change it is, here and elsewhere, when there is a name', async () => {
      await form().getByTestId('edit-as').filter({ hasText: 'without a name' }).waitFor();
      await form().getByRole('button', { name: 'Say yours' }).click();
      await page.keyboard.type('Joe');
      await form().getByTestId('edit-as').filter({ hasText: 'as Joe' }).waitFor();
      const other = await stage.page();
      await form().getByLabel('Text').fill('flour and water');
      await form().getByRole('button', { name: 'Save' }).click();
      for (const each of [page, other]) {
        await each.getByTestId('note-changer').filter({ hasText: 'Joe' }).waitFor();
        expect(await each.getByTestId('note-author').innerText()).toBe('Ada');
      }
      await announced(other, 'Joe changed “Bread”.');
    });

    test('is set aside by Escape with what was typed, even over a reload', async () => {
      await form().getByLabel('Text').fill('flour and');
      await page.keyboard.press('Escape');
      await page.getByTestId('note-aside').waitFor();
      await page.reload();
      await live(page);
      await page.getByRole('button', { name: 'Go on editing' }).click();
      expect(await form().getByLabel('Text').inputValue()).toBe('flour and');
      await page.keyboard.press('Escape');
      await page.getByTestId('aside-discard').click();
      await page.getByTestId('note-aside').waitFor({ state: 'detached' });
      expect(await page.getByTestId('note-body').innerText()).toBe('flour');
    });

    test('keeps focus and caret while notes arrive around it', async () => {
      const field = form().getByLabel('Text');
      await field.fill('flour and water');
      await field.evaluate((area) => (area as HTMLTextAreaElement).setSelectionRange(5, 5));
      stage.server.create({ title: 'Above', body: 'text', author: 'Joe' });
      await noteNamed(page, 'Above').waitFor();
      await page.keyboard.type('!');
      expect(await field.inputValue()).toBe('flour! and water');
    });

    test('is not overwritten by a change elsewhere: mine is kept', async () => {
      await form().getByLabel('Text').fill('mine');
      stage.server.update(id, { title: 'Bread', body: 'theirs' });
      await page.getByTestId('edit-conflict').filter({ hasText: 'theirs' }).waitFor();
      await announced(page, '“Bread” was changed elsewhere.');
      await page.keyboard.press('Control+Enter');
      await announced(page, 'Choose whose version to go on with');
      expect(stage.server.requests).not.toContain(`PUT /api/notes/${id}`);
      await page.getByRole('button', { name: 'Keep mine' }).click();
      await page.getByRole('button', { name: 'Save' }).click();
      await form().waitFor({ state: 'detached' });
      expect(await page.getByTestId('note-body').innerText()).toBe('mine');
    });

    test('is not overwritten by a change elsewhere: theirs is taken, mine can be brought back', async () => {
      await form().getByLabel('Text').fill('mine');
      stage.server.update(id, { title: 'Bread', body: 'theirs' });
      await page.getByRole('button', { name: 'Take theirs' }).click();
      expect(await form().getByLabel('Text').inputValue()).toBe('theirs');
      await page.getByRole('button', { name: 'Bring it back' }).click();
      expect(await form().getByLabel('Text').inputValue()).toBe('mine');
    });

    test('of a note that is deleted elsewhere keeps the text, and saves it as a new note', async () => {
      await form().getByLabel('Text').fill('mine');
      stage.server.remove(id);
      await page.getByTestId('edit-gone').waitFor();
      expect(await form().getByLabel('Text').inputValue()).toBe('mine');
      await page.getByRole('button', { name: 'Save as a new note' }).click();
      await form().waitFor({ state: 'detached' });
      expect(await page.getByTestId('note-body').innerText()).toBe('mine');
      expect(stage.server.list()).toMatchObject([{ title: 'Bread', body: 'mine', author: 'Ada' }]);
    });

    test('of a note that turns out to be gone when it is saved keeps the text too', async () => {
      provoked = [refusedRequest];
      await form().getByLabel('Text').fill('mine');
      stage.server.notes.delete(id); // without an event
      await page.getByRole('button', { name: 'Save' }).click();
      await page.getByTestId('edit-gone').waitFor();
      expect(await form().getByLabel('Text').inputValue()).toBe('mine');
    });
  });

  describe('deletion', () => {
    test('asks first: Escape keeps the note, and the focus returns', async () => {
      stage.server.create({ title: 'Bread', body: 'flour', author: 'Ada' });
      const page = await stage.page();
      const button = page.getByRole('button', { name: 'Delete “Bread”' });
      await button.click();
      const dialog = page.getByRole('dialog', { name: 'Delete this note?' });
      await dialog.filter({ hasText: 'Bread' }).waitFor();
      await page.keyboard.press('Escape');
      await dialog.waitFor({ state: 'hidden' });
      expect(await button.evaluate((element) => element === document.activeElement)).toBe(true);
      expect(stage.server.notes.size).toBe(1);
    });

    test('takes the note from every page, and leaves the focus on the next one', async () => {
      for (const title of ['c', 'b', 'a']) stage.server.create({ title, body: 'text', author: 'Ada' });
      const [page, other] = [await stage.page(), await stage.page()];
      await page.getByRole('button', { name: 'Delete “b”' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
      await noteNamed(page, 'b').waitFor({ state: 'detached' });
      await noteNamed(other, 'b').waitFor({ state: 'detached' });
      await announced(page, 'Note deleted.');
      expect(await noteNamed(page, 'c').evaluate((row) => row === document.activeElement)).toBe(true);
      expect(await page.getByRole('dialog').isVisible()).toBe(false);
    });

    test('is undone on every page, with what was being edited, by keyboard alone', async () => {
      stage.server.create({ title: 'Bread', body: 'flour', author: 'Ada' });
      const [page, other] = [await stage.page(), await stage.page()];
      await page.getByLabel('Your name').fill('Joe');
      await page.getByRole('button', { name: 'Edit “Bread”' }).click();
      await page.getByRole('form', { name: 'Edit “Bread”' }).getByLabel('Text').fill('flour and');
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'Delete “Bread”' }).click();
      await page.getByTestId('confirm-delete').click();
      await page.getByTestId('undo').filter({ hasText: 'Bread' }).waitFor();
      await page.getByTestId('empty').waitFor();
      await other.getByTestId('empty').waitFor();
      expect(await other.getByTestId('undo').count()).toBe(0);
      await page.getByRole('button', { name: 'Undo' }).focus();
      await page.keyboard.press('Enter');
      for (const each of [page, other]) await noteNamed(each, 'Bread').waitFor();
      await announced(page, 'Restored “Bread”.');
      await announced(other, '“Bread” was restored.');
      await page.getByTestId('undo').waitFor({ state: 'detached' });
      expect(await noteNamed(page, 'Bread').evaluate((row) => row === document.activeElement)).toBe(true);
      await page.getByTestId('note-aside').waitFor();
      await noteNamed(page, 'Bread').waitFor();
    });

    test('that cannot be undone any more says so, and the offer can be dismissed', async () => {
      provoked = [refusedRequest];
      stage.server.create({ title: 'Bread', body: 'flour', author: 'Ada' });
      const page = await stage.page();
      await page.getByRole('button', { name: 'Delete “Bread”' }).click();
      await page.getByTestId('confirm-delete').click();
      await page.getByTestId('undo').waitFor();
      stage.server.deleted.clear();
      await page.getByRole('button', { name: 'Undo' }).click();
      await page.getByTestId('undo-error').filter({ hasText: 'gone for good' }).waitFor();
      await page.getByRole('button', { name: 'Dismiss' }).click();
      await page.getByTestId('undo').waitFor({ state: 'detached' });
      expect(await titles(page)).toEqual([]);
    });

    test('that fails says so in the dialog', async () => {
      provoked = [refusedRequest];
      stage.server.create({ title: 'Bread', body: 'flour', author: 'Ada' });
      const page = await stage.page();
      await page.getByRole('button', { name: 'Delete “Bread”' }).click();
      stage.server.refusal = { status: 503, body: { error: 'database is away' } };
      await page.getByTestId('confirm-delete').click();
      await page.getByTestId('confirm-error').filter({ hasText: 'The note is still there.' }).waitFor();
      expect(await titles(page)).toEqual(['Bread']);
      stage.server.refusal = null;
      await page.getByTestId('confirm-delete').click();
      await page.getByTestId('empty').waitFor();
    });
  });

  test('search finds while it is typed, follows the notes, and ends with Escape', async () => {
    for (const title of ['Bread', 'Soup']) stage.server.create({ title, body: 'text', author: 'Ada' });
    const page = await stage.page();
    const field = page.getByRole('searchbox', { name: 'Search the notes' });
    await field.pressSequentially('bread');
    await page.getByTestId('count').filter({ hasText: '1 note found' }).waitFor();
    expect(await titles(page)).toEqual(['Bread']);
    stage.server.create({ title: 'More bread', body: 'text', author: 'Joe' });
    await page.getByTestId('count').filter({ hasText: '2 notes found' }).waitFor();
    expect(await titles(page)).toEqual(['More bread', 'Bread']);
    await field.fill('zebra');
    await page.getByTestId('nothing-found').filter({ hasText: 'zebra' }).waitFor();
    await field.press('Escape');
    await page
      .getByTestId('count')
      .filter({ hasText: /^\s*3 notes/ })
      .waitFor();
    expect(await field.inputValue()).toBe('');
  });

  test('a server that goes away and comes back is found again, and what was missed is made up', async () => {
    provoked = [lostConnection];
    const keep = stage.server.create({ title: 'Kept', body: 'text', author: 'Ada' });
    const gone = stage.server.create({ title: 'Deleted meanwhile', body: 'text', author: 'Ada' });
    const [page, other] = [await stage.page(), await stage.page()];
    await write(page, 'Typed', 'while the server is away', 'Ada');
    await stage.server.stop();
    await page.locator('[data-testid=status][data-state=waiting]').waitFor();
    await announced(page, 'Connection lost. Trying again.');
    await page.getByText('perhaps out of date').waitFor();
    await page.getByRole('button', { name: 'Add note' }).click();
    await page
      .getByTestId('new-error')
      .filter({ hasText: 'The server did not answer. Your text is kept.' })
      .waitFor();
    stage.server.remove(gone.id);
    stage.server.update(keep.id, { title: 'Changed meanwhile', body: 'text' });
    stage.server.create({ title: 'Added meanwhile', body: 'text', author: 'Joe' });
    await stage.server.start();
    for (const each of [page, other]) {
      await noteNamed(each, 'Added meanwhile').waitFor();
      expect(await titles(each)).toEqual(['Added meanwhile', 'Changed meanwhile']);
    }
    await announced(page, 'Connected again. The list is up to date.');
    expect(await page.getByLabel('Text').inputValue()).toBe('while the server is away');
    await page.getByRole('button', { name: 'Add note' }).click();
    await noteNamed(other, 'Typed').waitFor();
  });

  test('a list that cannot be read says so, and is read by itself when it can', async () => {
    provoked = [refusedRequest];
    stage.server.create({ title: 'Bread', body: 'flour', author: 'Ada' });
    const page = await stage.page();
    stage.server.refusal = {
      status: 503,
      body: { error: 'database is away' },
      headers: { 'retry-after': '1' },
    };
    await page.reload();
    await page.getByTestId('list-error').filter({ hasText: 'the page tries again by itself' }).waitFor();
    stage.server.refusal = null;
    await noteNamed(page, 'Bread').waitFor();
    expect(await page.getByTestId('list-error').count()).toBe(0);
  });

  test('an answer that an event has overtaken does not bring back what is gone', async () => {
    const note = stage.server.create({ title: 'Bread', body: 'flour', author: 'Ada' });
    stage.server.create({ title: 'Soup', body: 'water', author: 'Ada' });
    const page = await stage.page();
    const held = stage.server.hold(/^GET/);
    await page.reload();
    await held.arrived;
    stage.server.remove(note.id); // after the list was read, before it arrives
    stage.server.create({ title: 'Salad', body: 'leaves', author: 'Joe' });
    await noteNamed(page, 'Salad').waitFor();
    held.release();
    await noteNamed(page, 'Soup').waitFor();
    expect(await titles(page)).toEqual(['Salad', 'Soup']);
  });

  describe('looks', () => {
    const word = 'x'.repeat(180);

    test.each([360, 700, 1200])('nothing sticks out at %i px, however long the words', async (width) => {
      stage.server.create({ title: word, body: `${word}\n${word}`, author: 'y'.repeat(90) });
      const page = await stage.page({ viewport: { width, height: 740 } });
      const overflow = () =>
        page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      expect(await overflow()).toBeLessThanOrEqual(0);
      await page.getByTestId('note-delete').click();
      expect(await overflow()).toBeLessThanOrEqual(0);
      await page.keyboard.press('Escape');
      await page.getByTestId('note-edit').click();
      stage.server.update(1, { title: `${word}y`, body: word });
      await page.getByTestId('edit-conflict').waitFor();
      expect(await overflow()).toBeLessThanOrEqual(0);
    });

    test('a long text is folded until it is asked for', async () => {
      stage.server.create({ title: 'Long', body: 'line\n'.repeat(40), author: 'Ada' });
      const page = await stage.page();
      const height = async (): Promise<number> =>
        (await page.getByTestId('note-body').boundingBox())?.height ?? 0;
      const folded = await height();
      await page.getByRole('button', { name: 'Show all of it', expanded: false }).click();
      await page.getByRole('button', { name: 'Show less', expanded: true }).waitFor();
      expect(await height()).toBeGreaterThan(folded * 2);
    });

    test('follows the scheme and the wish for stillness', async () => {
      const background = (page: Page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const motion = (page: Page) =>
        page.getByTestId('note').evaluate((row) => getComputedStyle(row, '::before').animationName);
      const light = await stage.page({ colorScheme: 'light', reducedMotion: 'no-preference' });
      const dark = await stage.page({ colorScheme: 'dark', reducedMotion: 'reduce' });
      expect(await background(light)).toBe('rgb(247, 245, 239)');
      expect(await background(dark)).toBe('rgb(23, 22, 19)');
      stage.server.create({ title: 'Bread', body: 'flour', author: 'Ada' });
      await noteNamed(light, 'Bread').waitFor();
      await noteNamed(dark, 'Bread').waitFor();
      expect(await motion(light)).toBe('settle-odd');
      expect(await motion(dark)).toBe('none');
    });

    test('the focus is seen wherever the Tab key leads', async () => {
      stage.server.create({ title: 'Bread', body: 'flour', author: 'Ada' });
      const page = await stage.page();
      const reached: string[] = [];
      for (let step = 0; step < 10; step += 1) {
        await page.keyboard.press('Tab');
        const { testid, outline } = await page.evaluate(() => {
          const element = document.activeElement as HTMLElement;
          return { testid: element.dataset['testid'] ?? '', outline: getComputedStyle(element).outlineStyle };
        });
        reached.push(testid);
        expect(outline).toBe('solid');
      }
      expect(reached).toEqual([
        'happening-toggle',
        'help-open',
        'new-title',
        'new-body',
        'new-author',
        'new-submit',
        'search',
        'note-link',
        'note-edit',
        'note-delete',
      ]);
    });
  });
});
