// Pages in a real browser on two instances of one service: what is done on one, the other's page shows; and what could not
// be told while an instance was frozen, it shows by itself when the instances have found each other again.
import type { Page } from 'playwright-core';
import { describe, expect, test, vi } from 'vitest';
import { connected, settingsOf, startInstance } from '../app/support/instances.ts';
import { makeNote } from '../app/support/program.ts';
import { live, noteNamed, titles } from '../support/page.ts';
import { freePort } from '../support/erl.ts';
import { freeze, thaw } from '../support/freeze.ts';
import { requirePart } from '../support/parts.ts';
import { stage } from './setup.ts';

// Starts a browser and several processes, and the machine may be busy.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 300_000 });

describe.skipIf(requirePart('chromium').missing)('pages on two instances', () => {
  const set = stage();

  async function openPage(port: number): Promise<Page> {
    const page = await (await set().browser.newContext()).newPage();
    page.setDefaultTimeout(60_000);
    await page.goto(`http://127.0.0.1:${port}/`);
    await live(page);
    return page;
  }

  test('show the same notes, also those that they could not be told of', async () => {
    const epmdPort = await freePort();
    const ticks = { TROUPE_NET_TICKTIME_MS: '2000' };
    const one = await startInstance(
      settingsOf('one', epmdPort, { ...ticks, DATA_DIR: set().folders.make() }),
    );
    const two = await startInstance(
      settingsOf('two', epmdPort, {
        ...ticks,
        TROUPE_SEEDS: one.name,
        DATABASE_URL: `troupe://${one.name}`,
        DATABASE_RETRY_MAX_MS: '500',
      }),
    );
    await connected(one, two);
    const [near, far] = [await openPage(one.port), await openPage(two.port)];
    await makeNote(two.port, 'Bread');
    for (const page of [near, far]) await noteNamed(page, 'Bread').waitFor();

    freeze(two.program.pid);
    await one.program.printed(/"peer":"two@127\.0\.0\.1".*"msg":"a node is gone"/);
    await makeNote(one.port, 'Missed');
    await noteNamed(near, 'Missed').waitFor();
    thaw(two.program.pid);
    await noteNamed(far, 'Missed').waitFor();
    await makeNote(one.port, 'After');
    await noteNamed(far, 'After').waitFor();
    expect(await titles(far)).toEqual(['After', 'Missed', 'Bread']);
  });
});
