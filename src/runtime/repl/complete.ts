// Completes the beginning of a name: variables, helpers and globals; properties; inside quotes what the helper around them
// takes: names of processes, pids or channels.
//
// It runs no code: a property that has a getter is listed, but not read.
import { types } from 'node:util';
import { channelNames, scopeNames } from '../inspect/groups.ts';
import { isPidText, type Shell } from './shell.ts';

/** The completions of a text. */
export interface Completion {
  readonly names: readonly string[];
  /** The end of the line that they would replace. */
  readonly on: string;
}

/** How many names are offered. */
const NAMES_MAX = 500;
const KEYWORDS = [
  'async',
  'await',
  'class',
  'const',
  'delete',
  'false',
  'for',
  'function',
  'if',
  'let',
  'new',
  'null',
  'return',
  'true',
  'typeof',
  'undefined',
  'var',
  'while',
];
const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$\u200C\u200D]*$/u;
/** A helper and the text that its first argument begins with; the second for those that ask for a scope there. */
const IN_QUOTES = /([\p{ID_Continue}$]+)\(\s*(?:'[^']*'\s*,\s*|"[^"]*"\s*,\s*)?(['"])([^'"]*)$/u;
/** A chain of names with dots between them, up to the one that has begun. */
const CHAIN =
  /(?:^|[^\p{ID_Continue}$.'"\])])((?:[\p{ID_Start}$_][\p{ID_Continue}$]*\??\.)*)([\p{ID_Continue}$]*)$/u;

const TAKES_GROUPS = new Set(['members', 'localMembers', 'join', 'leave', 'broadcast', 'watch', 'unwatch']);
const TAKES_SCOPES = new Set(['groups']);

/** Completes a line. @param asks there are questions alone: nothing else can be called, and globals are not shown */
export function complete(
  line: string,
  variables: Readonly<Record<string, unknown>>,
  shell: Shell,
  asks = false,
): Completion {
  const quoted = IN_QUOTES.exec(line);
  if (quoted !== null) {
    const [, helper = '', , begun = ''] = quoted;
    return offer(textsFor(helper, shell), begun);
  }
  const chain = CHAIN.exec(line);
  if (chain === null || countQuotes(line) % 2 === 1) return { names: [], on: '' };
  const [, path = '', begun = ''] = chain;
  if (asks && path !== '') return { names: [], on: '' };
  if (path === '') {
    if (asks || begun === '') return offer(Object.keys(variables), begun);
    const globals = Object.getOwnPropertyNames(globalThis);
    return offer([...Object.keys(variables), ...KEYWORDS, ...globals], begun);
  }
  const value = follow(path, variables);
  const names = propertiesOf(value).map((name) => path + name);
  return offer(names, path + begun);
}

function offer(candidates: readonly string[], begun: string): Completion {
  const names = [...new Set(candidates)].filter((name) => name.startsWith(begun));
  return { names: names.slice(0, NAMES_MAX), on: begun };
}

function textsFor(helper: string, shell: Shell): string[] {
  if (TAKES_GROUPS.has(helper)) return channelNames(shell.node);
  if (TAKES_SCOPES.has(helper)) return scopeNames(shell.node);
  const { node } = shell;
  const pids = node.processes().map(String).filter(isPidText);
  return helper === 'pid' ? pids : [...node.registered(), ...pids];
}

/** The value of a chain of names, as far as it can be read without running code. */
function follow(path: string, variables: Readonly<Record<string, unknown>>): unknown {
  const [first = '', ...rest] = path.split(/\??\./).slice(0, -1);
  // Globals of Node.js, `process` for one, have getters.
  let value: unknown = Object.hasOwn(variables, first) ? variables[first] : Reflect.get(globalThis, first);
  for (const name of rest) value = ownValue(value, name);
  return value;
}

/** The value of a property, its own or inherited, unless it has a getter. */
function ownValue(object: unknown, name: string): unknown {
  for (const each of chainOf(object)) {
    const property = Object.getOwnPropertyDescriptor(each, name);
    if (property !== undefined) return property.value;
  }
  return undefined;
}

function propertiesOf(value: unknown): string[] {
  const names = chainOf(value).flatMap((each) => Object.getOwnPropertyNames(each));
  return [...new Set(names)].filter((name) => IDENTIFIER.test(name));
}

/** An object and what it inherits from. A proxy is left alone: its traps are code. */
function chainOf(value: unknown): object[] {
  const chain: object[] = [];
  let each: unknown = value === null || value === undefined ? undefined : Object(value);
  while (each !== undefined && each !== null && !types.isProxy(each) && chain.length < CHAIN_MAX) {
    chain.push(each);
    each = Object.getPrototypeOf(each);
  }
  return chain;
}

const CHAIN_MAX = 20;

function countQuotes(line: string): number {
  return line.replace(/\\./g, '').split(/['"`]/).length - 1;
}
