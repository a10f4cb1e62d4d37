// Turns what was typed into a program that runs input by input: what one declares, the next one finds.
//
// The input becomes the body of an async arrow function inside `with (scope)`, so that `await` works anywhere, and:
//
// - declarations become assignments, which the scope keeps: `const a = 1` to `void (a = 1);`, `function f() {}` to
//   `f = function () {};`. Functions go first, as hoisting has it. Everything can be declared again.
// - the last statement, if it is an expression, is what the function returns.
// - `import(x)` calls a function of the evaluator, since code that is made from text has no file to import from.
//
// Unlike a context of node:vm, which is what node:repl would use, this runs with the application's own Object, Array and
// Error: a message from here is what a process expects. Not done: the value of a last statement other than an
// expression; columns in stacks, which include what was inserted before them.
import { type AnyNode, type Options, parse, type Program, type VariableDeclaration } from 'acorn';

/** The name under which the program finds the function that imports; cannot be typed by accident. */
const IMPORT_NAME = '$$import';
/** The name of the parameter that is the scope. */
const SCOPE_NAME = '$$scope';

const PREFIX = `(function (${SCOPE_NAME}, ${IMPORT_NAME}) { with (${SCOPE_NAME}) { return async () => { `;
const SUFFIX = '\n}; } })';

/** A program made of an input. */
export interface Transformed {
  readonly kind: 'program';
  /** An expression: a function of the scope and of what imports; it returns one that runs the program. */
  readonly source: string;
  /** How much stands before the input in the first line of `source`. */
  readonly columnOffset: number;
  /** The names that the input assigns to; the scope keeps those that are not declared further inside. */
  readonly assigned: ReadonlySet<string>;
}

/** What an input is: a program, one that goes on in the next line, or neither. */
export type Parsed =
  | Transformed
  | { readonly kind: 'incomplete'; readonly error: SyntaxError }
  | { readonly kind: 'wrong'; readonly error: SyntaxError };

const OPTIONS: Options = { ecmaVersion: 'latest', sourceType: 'script', allowAwaitOutsideFunction: true };

/** Reads an input. */
export function transform(input: string): Parsed {
  // What begins with a brace is meant as an object, if it can be one.
  if (/^\s*\{/.test(input) && !/;\s*$/.test(input)) {
    const object = `(${input.trimEnd()}\n)`;
    const parsed = tryParse(object);
    if (!(parsed instanceof SyntaxError)) return rewrite(object, parsed);
  }
  const parsed = tryParse(input);
  if (!(parsed instanceof SyntaxError)) return rewrite(input, parsed);
  return { kind: isRecoverable(parsed, input) ? 'incomplete' : 'wrong', error: explain(parsed, input) };
}

function tryParse(input: string): Program | SyntaxError {
  try {
    return parse(input, OPTIONS);
  } catch (error) {
    if (error instanceof SyntaxError) return error;
    throw error;
  }
}

/** True when more input could make it right. */
function isRecoverable(error: SyntaxError, input: string): boolean {
  return (
    /^Unterminated (template|comment)/.test(error.message) || positionOf(error) >= input.trimEnd().length
  );
}

function positionOf(error: SyntaxError): number {
  return (error as SyntaxError & { pos?: number }).pos ?? 0;
}

/** The error with the line and a caret. */
function explain(error: SyntaxError, input: string): SyntaxError {
  const { loc } = error as SyntaxError & { loc?: { line: number; column: number } };
  let message = error.message.replace(/ \(\d+:\d+\)$/, '');
  if (message === 'Unexpected token' && positionOf(error) >= input.trimEnd().length) {
    message = 'Unexpected end of input';
  }
  if (/'import' and 'export' may/.test(message)) message += "; use `await import('...')` here";
  const explained = new SyntaxError(message);
  const line = loc === undefined ? undefined : input.split('\n')[loc.line - 1];
  if (loc === undefined || line === undefined) return explained;
  explained.stack = `${line}\n${' '.repeat(loc.column)}^\n\nSyntaxError: ${message}`;
  return explained;
}

/** Replaces text by position; all positions are those of the input. */
class Edits {
  readonly #edits: { readonly start: number; readonly end: number; readonly text: string }[] = [];

  replace(start: number, end: number, text: string): void {
    this.#edits.push({ start, end, text });
  }

  insert(at: number, text: string): void {
    this.replace(at, at, text);
  }

  /** The text between two positions, edited. Of two insertions at one place, the first one made stands first. */
  apply(input: string, from: number, to: number): string {
    const within = this.#edits.filter(({ start, end }) => start >= from && end <= to);
    let text = '';
    let at = from;
    for (const edit of within.toSorted((a, b) => a.start - b.start)) {
      text += input.slice(at, edit.start) + edit.text;
      at = edit.end;
    }
    return text + input.slice(at, to);
  }
}

function rewrite(input: string, program: Program): Transformed {
  const edits = new Edits();
  const assigned = new Set<string>();
  const { body } = program;
  for (const statement of body) {
    switch (statement.type) {
      case 'FunctionDeclaration':
        assigned.add(statement.id.name);
        edits.insert(statement.start, `${statement.id.name} = `);
        edits.replace(statement.id.start, statement.id.end, '');
        edits.insert(statement.end, ';');
        break;
      case 'ClassDeclaration':
        assigned.add(statement.id.name);
        edits.insert(statement.start, `${statement.id.name} = `);
        edits.insert(statement.end, ';');
        break;
      case 'VariableDeclaration':
        declare(statement, input, edits, assigned);
        break;
      default:
        break;
    }
  }
  const last = body.at(-1);
  if (last?.type === 'ExpressionStatement') {
    edits.insert(last.start, 'return (');
    edits.insert(beforeSemicolon(last, input), ')');
  }
  for (const statement of body) {
    const hoists = statement.type === 'FunctionDeclaration' || statement.type === 'ClassDeclaration';
    walk(statement, !hoists, input, edits, assigned);
  }
  const isFunction = (statement: Program['body'][number]): boolean =>
    statement.type === 'FunctionDeclaration';
  // Where all functions come first, or there is nothing else, every line keeps its number.
  const ordered = [...body.filter(isFunction), ...body.filter((statement) => !isFunction(statement))];
  const moved = ordered.some((statement, index) => statement !== body[index]);
  const text = moved
    ? ordered.map(({ start, end }) => edits.apply(input, start, end)).join('\n')
    : edits.apply(input, 0, input.length);
  return {
    kind: 'program',
    source: PREFIX + text + SUFFIX,
    columnOffset: PREFIX.length,
    assigned,
  };
}

/** Finds what else must be rewritten inside a statement. */
function walk(node: AnyNode, hoists: boolean, input: string, edits: Edits, assigned: Set<string>): void {
  const inner = hoists && !/Function|^Class/.test(node.type);
  switch (node.type) {
    case 'ImportExpression':
      edits.replace(node.start, node.start + 'import'.length, IMPORT_NAME);
      break;
    case 'AssignmentExpression':
      collectNames(node.left, assigned);
      break;
    case 'UpdateExpression':
      collectNames(node.argument, assigned);
      break;
    case 'ForInStatement':
    case 'ForOfStatement':
      if (node.left.type !== 'VariableDeclaration') collectNames(node.left, assigned);
      else if (hoists && node.left.kind === 'var') declareInLoop(node.left, edits, assigned);
      break;
    case 'ForStatement':
      if (hoists && node.init?.type === 'VariableDeclaration' && node.init.kind === 'var') {
        declareInLoop(node.init, edits, assigned);
        for (const { id, init } of node.init.declarations)
          if (init == null) edits.insert(id.end, ' = undefined');
      }
      break;
    default:
      break;
  }
  for (const child of childrenOf(node)) {
    // A `var` of a block is one of the whole function, and so of the scope.
    const isLoopHead = node.type.startsWith('For') && (node as { body?: unknown }).body !== child;
    if (inner && !isLoopHead && child.type === 'VariableDeclaration' && child.kind === 'var') {
      declare(child, input, edits, assigned);
    }
    walk(child, inner, input, edits, assigned);
  }
}

/** `let a = 1, {b} = c, d;` becomes `void (a = 1, {b} = c, d = undefined);`. */
function declare(node: VariableDeclaration, input: string, edits: Edits, assigned: Set<string>): void {
  // A resource is disposed of at the end of its block, which is the input: it stays what it is.
  if (node.kind !== 'var' && node.kind !== 'let' && node.kind !== 'const') return;
  for (const { id, init } of node.declarations) {
    collectNames(id, assigned);
    if (init != null || id.type !== 'Identifier') continue;
    const kept =
      node.kind === 'var' ? `typeof ${id.name} === 'undefined' ? undefined : ${id.name}` : 'undefined';
    edits.insert(id.end, ` = ${kept}`);
  }
  edits.replace(node.start, node.start + node.kind.length, 'void (');
  const end = beforeSemicolon(node, input);
  edits.insert(end, end === node.end ? ');' : ')');
}

/** `for (var a of b)` becomes `for (a of b)`. */
function declareInLoop(node: VariableDeclaration, edits: Edits, assigned: Set<string>): void {
  for (const { id } of node.declarations) collectNames(id, assigned);
  edits.replace(node.start, node.start + node.kind.length, '');
}

function beforeSemicolon(node: { start: number; end: number }, input: string): number {
  return input[node.end - 1] === ';' ? node.end - 1 : node.end;
}

/** The names that a pattern assigns to. */
function collectNames(pattern: AnyNode, names: Set<string>): void {
  switch (pattern.type) {
    case 'Identifier':
      names.add(pattern.name);
      break;
    case 'ObjectPattern':
      for (const property of pattern.properties) collectNames(property, names);
      break;
    case 'Property':
      collectNames(pattern.value, names);
      break;
    case 'ArrayPattern':
      for (const element of pattern.elements) if (element !== null) collectNames(element, names);
      break;
    case 'AssignmentPattern':
      collectNames(pattern.left, names);
      break;
    case 'RestElement':
      collectNames(pattern.argument, names);
      break;
    default:
      // A property of something: no name.
      break;
  }
}

function childrenOf(node: AnyNode): AnyNode[] {
  return Object.values(node)
    .flatMap((value: unknown) => (Array.isArray(value) ? (value as unknown[]) : [value]))
    .filter(isNode);
}

function isNode(value: unknown): value is AnyNode {
  return (
    typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string'
  );
}
