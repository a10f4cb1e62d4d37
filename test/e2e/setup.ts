// What the tests with pages on real programs begin with: the program built, a browser, and prepared data folders.
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import { buildProgram, type DataFolders, prepareDataFolders } from '../app/support/program.ts';
import { launch } from '../support/page.ts';
import { requirePart } from '../support/parts.ts';

/** What there is while the tests of a group run. */
export interface Stage {
  readonly browser: Browser;
  readonly folders: DataFolders;
}

/** Sets a group of tests up; what it returns answers once its tests run. Ask `requirePart('chromium')` first. */
export function stage(): () => Stage {
  let current: Stage | undefined;
  beforeAll(async () => {
    await buildProgram();
    const [browser, folders] = await Promise.all([
      launch(requirePart('chromium').path),
      prepareDataFolders(),
    ]);
    current = { browser, folders };
  });
  afterAll(async () => {
    await current?.browser.close();
    current?.folders.remove();
  });
  return () => {
    if (current === undefined) throw new Error('there is no browser before the tests');
    return current;
  };
}
