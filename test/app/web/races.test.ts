// Whatever the order in which answers, events, losses of the connection and what is typed come together, the page ends
// with what the server has, as far as it was asked for, and holds no note twice meanwhile.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  newestFirst,
  type Note,
  REQUERY_PAUSE_MS,
  rowsOf,
  standingOf,
  TYPING_PAUSE_MS,
} from '../../../src/app/web/internal.ts';
import { PageBench, settled } from './page-bench.ts';

/** Pages of a result in these programs, at most. */
const PAGES_MOST = 40;

const words = ['ant', 'bee', 'cat', 'ant bee'];

/** One step; `n` picks among what there is. */
const steps = {
  otherAdds: (bench, n) => void bench.server.add({ title: wordAt(n), body: 'other', author: 'Other' }),
  otherChanges: (bench, n) => {
    const note = pick(bench.server.listed(), n);
    if (note !== undefined) bench.server.change(note.id, { title: wordAt(n), body: `other ${n}` });
  },
  otherDeletes: (bench, n) => {
    const note = pick(bench.server.listed(), n);
    if (note !== undefined) bench.server.drop(note.id);
  },
  carryOut: (bench, n) => pick(bench.server.requests, n)?.carryOut(),
  otherRestores: (bench, n) => {
    const note = pick([...bench.server.deleted.values()], n);
    if (note !== undefined) bench.server.bringBack(note.id);
  },
  deliver: (bench, n) => pick(bench.server.requests, n)?.deliver(),
  deliverFailure: (bench, n) => pick(bench.server.requests, n)?.deliver({ kind: 'unreachable' }),
  frame: (bench, n) => {
    for (let count = n % 4; count >= 0; count -= 1) bench.deliverFrame();
  },
  frameFirst: (bench) => bench.deliverFrame(),
  drop: (bench) => bench.drop(),
  connect: (bench) => bench.connect(),
  open: (bench) => bench.open(),
  forget: (bench) => {
    bench.drop(); // clients of a server that is restored lose their connections
    bench.server.forget();
  },
  pass: (bench, n) => bench.time.pass(n * 7),
  ownAdd: (bench, n) => {
    bench.send({ type: 'draft_changed', field: 'title', value: wordAt(n) });
    bench.send({ type: 'draft_changed', field: 'body', value: 'own' });
    bench.send({ type: 'draft_changed', field: 'author', value: 'Own' });
    bench.send({ type: 'draft_submitted' });
  },
  ownEdit: (bench, n) => {
    const row = pick(rowsOf(bench.state), n);
    if (row === undefined || row.edit?.gone === true) return;
    bench.send({ type: 'edit_started', note: row.note });
    bench.send({ type: 'edit_changed', id: row.id, field: 'title', value: wordAt(n) });
  },
  ownSave: (bench, n) => {
    const edit = pick([...bench.state.edits.values()], n);
    if (edit?.theirs != null) bench.send({ type: 'edit_kept_mine', id: edit.id });
    if (edit !== undefined) bench.send({ type: 'edit_submitted', id: edit.id });
  },
  ownDelete: (bench, n) => {
    const row = pick(rowsOf(bench.state), n);
    if (row === undefined || row.edit?.gone === true) return;
    bench.send({ type: 'deletion_asked', note: row.note });
    bench.send({ type: 'deletion_submitted' });
  },
  ownUndo: (bench) => bench.send({ type: 'undo_submitted' }),
  openNote: (bench, n) => {
    const note = pick([...bench.server.listed(), ...bench.server.deleted.values()], n);
    bench.send({ type: 'note_opened', id: note?.id ?? 999 });
  },
  closeNote: (bench) => bench.send({ type: 'note_opened', id: null }),
  more: (bench, n) => bench.send({ type: 'more_wanted', byHand: n % 2 === 0 }),
  query: (bench, n) => bench.send({ type: 'query_changed', query: pick(['', 'ant', 'bee', ' '], n) ?? '' }),
} satisfies Record<string, (bench: PageBench, n: number) => void>;

/** One of the items, undefined when there are none. */
function pick<T>(items: readonly T[], n: number): T | undefined {
  return items[n % items.length];
}

const wordAt = (n: number): string => pick(words, n) ?? '';

type Step = keyof typeof steps;
const everyStep = Object.keys(steps) as Step[];

/** Programs of these steps; those of what is on its way come more often, or little would arrive. */
function programs(names: readonly Step[]) {
  const flowing = names.filter((name) => ['carryOut', 'deliver', 'frame', 'frameFirst'].includes(name));
  const name = fc.constantFrom(...names, ...flowing);
  return fc.array(fc.tuple(name, fc.nat(99)), { minLength: 10, maxLength: 80, size: 'max' });
}

/** Runs a program to its end; what the page then holds and shows, and what the server does. */
async function run(program: Program, { start = false, pageNotes = 99 } = {}): Promise<Ending> {
  const bench = new PageBench();
  const { server } = bench;
  server.pageNotes = pageNotes;
  server.add({ title: 'ant', body: 'first', author: 'Other' });
  server.add({ title: 'bee', body: 'second', author: 'Other' });
  if (start) await bench.start();
  let twice = false;
  for (const [name, n] of program) {
    steps[name](bench, n);
    await settled();
    const ids = rowsOf(bench.state).map(({ id }) => id);
    twice ||= new Set(ids).size !== ids.length;
  }
  await bench.quiesce();
  const alone = aloneIn(bench);
  bench.send({ type: 'note_opened', id: null });
  await bench.quiesce();
  const { floor, next } = bench.state.replica;
  const known = ({ id }: Note): boolean => id >= floor;
  const held = newestFirst(bench.state.replica.notes.values()).filter(known);

  // What is typed may hold rows in place; without it the rows are the server's, in the server's order.
  for (const id of bench.state.edits.keys()) bench.send({ type: 'edit_discarded', id });
  for (;;) {
    // The pause before a result is asked for again grows with its pages; pings are answered meanwhile.
    for (let pages = 0; pages < PAGES_MOST && server.requests.length === 0; pages += 1) {
      bench.time.pass(TYPING_PAUSE_MS + REQUERY_PAUSE_MS);
      await settled();
    }
    if (bench.state.search.failure !== null) bench.app.tryNow();
    if (server.requests.length === 0) break;
    await bench.quiesce();
  }
  const query = bench.state.search.query.trim();
  const shown = rowsOf(bench.state).map(({ note }) => note);
  bench.app.close();
  const found = server.found(query);
  const all = bench.state.search.next === null;
  const expected = query === '' ? server.listed().filter(known) : all ? found : found.slice(0, shown.length);
  return {
    page: { twice, alone: alone.page, held, shown, live: standingOf(bench.state), whole: next === null },
    server: {
      twice: false,
      alone: alone.server,
      held: server.listed().filter(known),
      shown: expected,
      live: 'live',
      whole: floor === 0,
    },
  };
}

/** The opened note as the page and as the server has it; one that is edited stays in sight whatever happens. */
function aloneIn({ state, server }: PageBench): Record<'page' | 'server', Alone> {
  const { opened, edits } = state;
  if (opened === null || edits.has(opened.id)) return { page: 'none', server: 'none' };
  const note = server.notes.get(opened.id);
  return { page: rowsOf(state).map((row) => row.note), server: note === undefined ? [] : [note] };
}

type Program = readonly (readonly [Step, number])[];
type Alone = readonly (Note | undefined)[] | 'none';
type Shown = {
  twice: boolean;
  alone: Alone;
  held: readonly Note[];
  shown: readonly Note[];
  live: string;
  whole: boolean;
};
type Ending = Record<'page' | 'server', Shown>;

describe('any interleaving', () => {
  test('ends equal to the server’s list and search, with more notes than a page holds', async () => {
    const property = fc.asyncProperty(programs(everyStep), async (program) => {
      const { page, server } = await run(program, { pageNotes: 2 });
      expect(page).toEqual(server);
    });
    await fc.assert(property, { numRuns: 500 });
  });

  test('ends equal to the server’s list and search, with a connection that comes and goes', async () => {
    const property = fc.asyncProperty(programs(everyStep), async (program) => {
      const { page, server } = await run(program);
      expect(page).toEqual(server);
    });
    await fc.assert(property, { numRuns: 500 });
  });

  test('ends equal to the server’s search after a form that held its row in place was closed', async () => {
    const program: Program = [
      ['query', 1],
      ['pass', 29],
      ['deliver', 0],
      ['otherAdds', 0],
      ['otherAdds', 0],
      ['frameFirst', 0],
      ['frame', 0],
      ['pass', 36],
      ['ownEdit', 0],
    ];
    const { page, server } = await run(program, { start: true });
    expect(page).toEqual(server);
  });

  test.each([
    ['all notes', 99],
    ['2 notes', 2],
  ])(
    'ends equal to the server’s, over one connection, unread again, with %s on a page',
    async (_name, pageNotes) => {
      const names = everyStep.filter(
        (name) => !['drop', 'connect', 'open', 'forget', 'deliverFailure'].includes(name),
      );
      const property = fc.asyncProperty(programs(names), async (program) => {
        const { page, server } = await run(program, { start: true, pageNotes });
        expect(page).toEqual(server);
      });
      await fc.assert(property, { numRuns: 500 });
    },
  );
});
