// The table of 10,000 processes in a real browser: every row comes into sight, in order; and how smooth it scrolls, which is printed
// (frames in a second, and how many came late), for it says as much of the machine as of the page.
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { launch } from '../support/page.ts';
import { requirePart } from '../support/parts.ts';
import { buildObserverPage, live, Observed, Pages, picture, Shop } from './observer-stage.ts';

const part = requirePart('chromium');
vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 });

const PROCESSES = 10_000;
/** How far each frame scrolls, in pixels: the whole table in some twenty seconds, at sixty frames a second. */
const FRAME_PX = 300;

/** What was measured while a page scrolled. */
interface Scrolled {
  readonly frames: number;
  readonly seconds: number;
  /** Frames that took more than one and a half of a sixtieth of a second, and the longest, in milliseconds. */
  readonly late: number;
  readonly longestMs: number;
  /** Frames that showed a row which was not there yet. */
  readonly withAbsent: number;
}

/** Scrolls a grid from its top to its end, a step in each frame. */
const SCROLL = `new Promise((resolve) => {
  const grid = document.getElementById('grid-processes');
  grid.scrollTop = 0;
  const took = [];
  let withAbsent = 0;
  let last;
  const frame = (now) => {
    if (last !== undefined) took.push(now - last);
    last = now;
    const { top, bottom } = grid.getBoundingClientRect();
    const isAbsent = [...grid.querySelectorAll('.absent')].some((row) => {
      const box = row.getBoundingClientRect();
      return box.bottom > top && box.top < bottom;
    });
    if (isAbsent) withAbsent++;
    if (grid.scrollTop + grid.clientHeight >= grid.scrollHeight - 1) {
      resolve({
        frames: took.length,
        seconds: took.reduce((sum, ms) => sum + ms, 0) / 1000,
        late: took.filter((ms) => ms > 25).length,
        longestMs: Math.max(...took),
        withAbsent,
      });
      return;
    }
    grid.scrollTop += ${FRAME_PX};
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})`;

/** Scrolls a grid by windows of it, waits for the rows of each, and answers the pids of all, by their number. */
const READ = `(async () => {
  const grid = document.getElementById('grid-processes');
  const pids = [];
  const nextFrame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  for (let top = 0; ; top += grid.clientHeight - 100) {
    grid.scrollTop = top;
    await nextFrame();
    await nextFrame();
    const head = grid.querySelector('.grid-head').getBoundingClientRect().bottom;
    const { bottom } = grid.getBoundingClientRect();
    const inSight = () => [...grid.querySelectorAll('.grid-body [role=row]')].filter((row) => {
      const box = row.getBoundingClientRect();
      return box.bottom > head && box.top < bottom;
    });
    while (inSight().some((row) => row.classList.contains('absent'))) await nextFrame();
    for (const row of inSight()) pids[Number(row.getAttribute('aria-rowindex')) - 2] = row.dataset.key;
    if (grid.scrollTop + grid.clientHeight >= grid.scrollHeight - 1) return pids;
  }
})()`;

/** How long the main thread of a page works from now on, in milliseconds; unlike frames, that does not depend on who else wants the processor. */
async function mainThread(page: Page): Promise<() => Promise<number>> {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const read = async (): Promise<number> => {
    const { metrics } = await session.send('Performance.getMetrics');
    return (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? NaN) * 1_000;
  };
  const before = await read();
  return async () => (await read()) - before;
}

describe.skipIf(part.missing)('ten thousand processes', () => {
  let built: Awaited<ReturnType<typeof buildObserverPage>>;
  let browser: Browser;
  let shop: Shop;
  let observed: Observed;
  let pages: Pages;

  beforeAll(async () => {
    [built, browser, shop] = await Promise.all([buildObserverPage(), launch(part.path), Shop.open()]);
    for (let number = shop.node.processes().length; number < PROCESSES; number++) {
      shop.node.spawnWith({ label: `session ${number}` }, (self) => self.receive());
    }
    observed = await Observed.open({ node: shop.node, folder: built.folder });
  });
  afterAll(async () => {
    await observed.close();
    await shop.close();
    await browser.close();
    built.remove();
  });
  beforeEach(() => {
    pages = new Pages(browser);
  });
  afterEach(() => pages.close());

  const open = async (sort: string): Promise<Page> => {
    const page = await pages.open(`${observed.url}#/processes?sort=${sort}`);
    await live(page);
    await page.getByRole('gridcell', { name: 'shop_sup' }).first().waitFor();
    return page;
  };

  test('come into sight one after the other, each of them, in order', async () => {
    const page = await open('pid');
    const pids = await page.evaluate<readonly string[]>(READ);
    const alive = shop.node.processes().map(String);
    expect(pids.length).toBe(alive.length);
    const serials = pids.map((pid) => Number(/^<0\.(\d+)\.0>$/.exec(pid)?.[1]));
    expect(serials).toEqual(serials.toSorted((a, b) => a - b));
    expect(new Set(pids)).toEqual(new Set(alive));
    // At rest the elements have the order of their rows, which is how they are read aloud.
    await vi.waitFor(async () => {
      const numbers = await page
        .locator('.grid-body [role=row]')
        .evaluateAll((rows) => rows.map((row) => Number(row.getAttribute('aria-rowindex'))));
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    }, 10_000);
    // Of ten thousand rows, those in sight and some around them are in the page.
    expect(await page.locator('.grid-body [role=row]').count()).toBeLessThan(80);
  });

  test('scroll smoothly, sorted by what is busy', async () => {
    const page = await open('busy');
    const work = await mainThread(page);
    const before = process.cpuUsage();
    const startedAt = performance.now();
    const scrolled = await page.evaluate<Scrolled>(SCROLL);
    const cpu = process.cpuUsage(before);
    const share = (cpu.user + cpu.system) / 1_000 / (performance.now() - startedAt);
    const worked = (await work()) / scrolled.frames;
    await picture(page, 'large');
    const { frames, seconds, late, longestMs, withAbsent } = scrolled;
    console.log(
      `${PROCESSES} processes scrolled through in ${seconds.toFixed(1)} s: ${(frames / seconds).toFixed(1)} frames/s of ${frames}, ` +
        `${late} later than 25 ms, the longest ${longestMs.toFixed(1)} ms; ${withAbsent} showed a row on its way; ` +
        `the page worked for ${worked.toFixed(2)} ms a frame; ` +
        `this process, with the node and the test, took ${(share * 100).toFixed(1)} % of a core`,
    );
    expect(frames).toBeGreaterThan(1_000);
  });

  test('cost little while somebody looks at them', async () => {
    const page = await open('busy');
    const frames = (): Promise<number> =>
      new Promise((resolve) => {
        let count = 0;
        page.on('websocket', (socket) => {
          socket.on('framereceived', () => {
            if (++count === 40) resolve(count);
          });
        });
      });
    const received = frames();
    await page.reload();
    const before = process.cpuUsage();
    const startedAt = performance.now();
    await received;
    const cpu = process.cpuUsage(before);
    const share = (cpu.user + cpu.system) / 1_000 / (performance.now() - startedAt);
    console.log(
      `looked at without scrolling: ${(share * 100).toFixed(1)} % of a core for the node, the test and its browser's pipe`,
    );
    expect(await page.locator('.grid-body [role=row]').count()).toBeGreaterThan(20);
  });
});
