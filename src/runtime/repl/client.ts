// The client of the REPL: `npm run repl`. It attaches to the running application and is a terminal for it. See client-arguments.ts
// for what can be asked.
import process from 'node:process';
import { readArguments, usage } from './client-arguments.ts';
import { attachAndRun, version } from './client-run.ts';

async function main(): Promise<number> {
  const asked = readArguments(process.argv.slice(2), process.env);
  const command = 'npm run repl --';
  switch (asked.kind) {
    case 'help':
      process.stdout.write(usage(command));
      return 0;
    case 'version':
      process.stdout.write(`${version()}\n`);
      return 0;
    case 'wrong':
      process.stderr.write(`${asked.problem}\n${command} --help lists the options\n`);
      return 2;
    case 'attach':
      return await attachAndRun(asked);
  }
}

process.exitCode = await main();
