// Opens PGlite in a folder, says what came of it, and then makes a note of each line that comes in; at `spin` it gives the
// database a statement without an end. Ends with its input.
import { createInterface } from 'node:readline';
import { sql } from 'drizzle-orm';
import { openDatabase } from '../../../src/app/database/internal.ts';
import { createNoteRepository } from '../../../src/app/notes/internal.ts';

const database = openDatabase({ kind: 'pglite', folder: process.argv[2] ?? '', queryTimeoutMs: 600_000 });
database.onEvent((event) => process.stdout.write(`${JSON.stringify(event)}\n`));
const repository = createNoteRepository(database);
for await (const title of createInterface(process.stdin)) {
  if (title === 'spin') {
    void database.run((db) => {
      process.stdout.write('spinning\n');
      return db.execute(sql`select count(*) from generate_series(1, 1000000000000)`);
    });
    continue;
  }
  const note = await repository.create({ title, body: 'b', author: 'a' });
  process.stdout.write(`${JSON.stringify(note)}\n`);
}
