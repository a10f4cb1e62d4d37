// What the examples of the documents run with: compares values with the texts after `// =>`.
// Differences are collected and told when the program ends, as a throw inside a process would be an exit reason only.
import { formatWithOptions, inspect, type InspectOptions } from 'node:util';

const OPTIONS: InspectOptions = { depth: 10, compact: true, breakLength: Infinity };
/** Stands for any text. */
const WILDCARD = '…';

const pending = new Set<number>();
const differences: string[] = [];

/** Says at which lines there is something to compare. Every one of them must be reached. */
export function announce(lines: readonly number[]): void {
  for (const line of lines) pending.add(line);
}

/** Compares a value as the REPL would print it. */
export function check<T>(line: number, expected: string, value: T): T {
  compare(line, expected, [inspect(value, OPTIONS)]);
  return value;
}

/** Prints as console.log does, and compares what is printed. A text may be expected with or without its quotes. */
export function checkLog(line: number, expected: string, ...values: unknown[]): void {
  console.log(...values);
  const quoted = values.length === 1 && typeof values[0] === 'string' ? [inspect(values[0], OPTIONS)] : [];
  compare(line, expected, [formatWithOptions(OPTIONS, ...values), ...quoted]);
}

function compare(line: number, expected: string, actual: readonly string[]): void {
  pending.delete(line);
  const parts = expected
    .split(WILDCARD)
    .map((part) => oneLine(part).replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const pattern = new RegExp(`^${parts.join('.*')}$`);
  if (!actual.some((text) => pattern.test(oneLine(text)))) {
    differences.push(`line ${line}: expected ${expected}, but it is ${actual[0]}`);
  }
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}

process.on('exit', () => {
  for (const line of pending) differences.push(`line ${line}: the program has not come here`);
  if (differences.length === 0) return;
  process.stderr.write(`${differences.join('\n')}\n`);
  process.exitCode = 1;
});
