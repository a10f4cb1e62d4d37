// Estimates, from a sample of the words in use, how many of them the database would compare with a mistyped one.
//
// pg_trgm compares a word with every word that shares enough groups of three letters with it. Writers of notes can make that all
// words there are, and a statement of the embedded database cannot be interrupted, only its process ended.
//
// - The sample comes from random places in the table, so its cost does not grow with the table, and nobody who adds words can keep
//   them out of it.
// - It is an estimate: a word may cost a few times more.
import { sql } from 'drizzle-orm';
import type { SqlRunner } from '../database/database.ts';
import { noteWords } from '../notes/schema.ts';

/** Words compared for one search, at most. */
export const comparedMax = 20_000;

/** Sampled places. */
const SAMPLE = 500;
/** The smallest size of a row of the table, which bounds the places on a page. */
const ROW_BYTES = 36;
/** A word with too little in common costs this part of a comparison. */
const TOUCHED_COST = 0.2;

/** A summary of the words in use. */
export class Crowds {
  /** Rows that the table has room for. */
  readonly #places: number;
  readonly #sample: readonly ReadonlySet<string>[];

  private constructor(places: number, sample: readonly ReadonlySet<string>[]) {
    this.#places = places;
    this.#sample = sample;
  }

  /** Draws a sample, if there are so many words that `count` mistyped ones could cost too much. */
  static async of(runner: SqlRunner, count: number): Promise<Crowds> {
    const [size] = await runner.run((db) =>
      db
        .select({ pages: sql<string>`pages`, rows: sql<string>`rows` })
        .from(
          sql`(select pg_relation_size('note_words') / size as pages, size / ${ROW_BYTES}::int as rows from (select current_setting('block_size')::int as size) as block) as measured`,
        ),
    );
    const [pages, rows] = [Number(size?.pages), Number(size?.rows)];
    const places = pages * rows;
    if (places * count <= comparedMax) return new Crowds(places, []);
    const drawn = sql`select format('(%s,%s)', floor(random() * ${pages}::int), 1 + floor(random() * ${rows}::int))::tid from generate_series(1, ${SAMPLE}::int)`;
    const sample = await runner.run((db) =>
      db
        .select()
        .from(noteWords)
        .where(sql`${noteWords}.ctid = any(array(${drawn}))`),
    );
    return new Crowds(
      places,
      sample.map(({ word }) => groupsOf(word)),
    );
  }

  /** With how many words a word would be compared. @param similarity the least that counts as similar */
  comparisonsWith(word: string, similarity: number): number {
    const groups = groupsOf(word);
    let cost = 0;
    for (const other of this.#sample) {
      let common = 0;
      for (const group of groups) if (other.has(group)) common++;
      if (common >= groups.size * similarity) cost++;
      else if (common > 0) cost += TOUCHED_COST;
    }
    return (cost * this.#places) / SAMPLE;
  }
}

/** The groups of three letters by which pg_trgm compares words. */
function groupsOf(word: string): Set<string> {
  const letters = Array.from(`  ${word} `);
  const groups = new Set<string>();
  for (let at = 0; at + 3 <= letters.length; at++) groups.add(letters.slice(at, at + 3).join(''));
  return groups;
}
