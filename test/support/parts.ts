// Asks for a program that some tests need and not every machine has: PostgreSQL, Erlang, Elixir, a browser, a pseudo-terminal.
// `npm test` installs what it can; what is missing is a reason to skip, said aloud, or with CI=true a failure.
import { findPart, type PartName } from '../../scripts/lib/parts.mjs';

export interface FoundPart {
  /** For `describe.skipIf(part.missing)` and `test.skipIf(part.missing)`. */
  readonly missing: boolean;
  /** The program; the folder of programs for PostgreSQL, of applications for Elixir. Throws when the part is missing. */
  readonly path: string;
}

const known = new Map<PartName, FoundPart>();

/** Looks for a part. When it is missing, prints why the tests that ask are skipped, or with CI=true throws. */
export function requirePart(name: PartName): FoundPart {
  const before = known.get(name);
  if (before !== undefined) return before;
  const part = findPart(name);
  if (part.found) {
    known.set(name, { missing: false, path: part.path });
  } else {
    const reason = `${name} is not usable on this machine: ${part.reason}`;
    if (process.env['CI'] === 'true') throw new Error(`${reason} (with CI=true every part must be there)`);
    process.stderr.write(`tests skipped: ${reason}\n`);
    known.set(name, {
      missing: true,
      get path(): string {
        throw new Error(reason);
      },
    });
  }
  return requirePart(name);
}
