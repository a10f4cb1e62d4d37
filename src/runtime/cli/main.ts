#!/usr/bin/env node
// The command `troupe`: looks into a running program, from a terminal or a script. It attaches to the socket of the program's REPL;
// whether it may do more than ask is decided there.
import process from 'node:process';
import { isatty } from 'node:tty';
import { attachAndRun, version } from '../repl/client-run.ts';
import { readCommand } from './arguments.ts';

async function main(): Promise<number> {
  const asked = readCommand(process.argv.slice(2), process.env, process.stdout.rows);
  switch (asked.kind) {
    case 'print':
      process.stdout.write(asked.text);
      return 0;
    case 'version':
      process.stdout.write(`${version()}\n`);
      return 0;
    case 'wrong':
      process.stderr.write(`${asked.problem}\n${asked.help} lists the options\n`);
      return 2;
    case 'complete': {
      const { askProgram, completeLine } = await import('./completion.ts');
      process.stdout.write(await completeLine(asked.line, askProgram(process.env)));
      return 0;
    }
    case 'attach': {
      if (asked.live === undefined || !isatty(1)) return await attachAndRun(asked);
      const { runLive } = await import('./live.ts');
      return await runLive(asked, asked.live);
    }
  }
}

process.exitCode = await main();
