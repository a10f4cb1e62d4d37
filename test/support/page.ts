// Chromium, and what tests look for on the page of the notes, whatever serves it.
import { type Browser, chromium, type Locator, type Page } from 'playwright-core';

/** Starts the browser at `path`. */
export function launch(path: string): Promise<Browser> {
  const args = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ];
  return chromium.launch({ executablePath: path, args });
}

/** Waits until the page is connected and has read its list. */
export async function live(page: Page): Promise<void> {
  await page.locator('[data-testid=status][data-state=live]').waitFor();
  await page
    .locator('[data-testid=notes][data-state=ready], [data-testid=empty], [data-testid=missing]')
    .first()
    .waitFor();
}

/** The row of the note with this title. */
export function noteNamed(page: Page, title: string): Locator {
  return page.getByTestId('note').filter({ has: page.getByRole('heading', { name: title, exact: true }) });
}

/** The titles in the list, in order. */
export function titles(page: Page): Promise<string[]> {
  return page.getByTestId('note-title').allTextContents();
}

/** Waits until a screen reader has been told this. */
export function announced(page: Page, text: string): Promise<void> {
  return page.getByTestId('announcer').filter({ hasText: text }).waitFor({ state: 'attached' });
}
