// Finds the TypeScript examples of a document and makes programs of them.
// Line numbers stay: line 45 of the program is line 45 of the document, so that every message leads to the right place.
// Marks after ```ts: `no-run` (compiled only) and `continues` (one program with the example before it).
import { parse, visit, isSyntax, type Syntax } from '../tidy/source.ts';

export interface Example {
  /** The document, from the root of the repository. */
  readonly document: string;
  /** The line of the document that the example begins with. */
  readonly line: number;
  readonly runs: boolean;
  readonly code: string;
}

const MARKS = ['', 'no-run', 'continues'];

/** The examples of a document. Throws on a mark that does not exist and on a fence that is not closed. */
export function extractExamples(document: string, text: string): Example[] {
  const examples: Example[] = [];
  const lines = text.split('\n');
  for (let index = 0; index < lines.length; index++) {
    const fence = /^(\s*)(`{3,}|~{3,})\s*(\S*)\s*(.*?)\s*$/.exec(lines[index] ?? '');
    if (fence === null) continue;
    const [, indentation = '', marker = '', language, mark = ''] = fence;
    const start = index + 1;
    const length = lines.slice(start).findIndex((line) => line.trim() === marker);
    if (length === -1) throw new Error(`${document}:${start}: the fence is not closed`);
    index = start + length;
    if (language === 'typescript') throw new Error(`${document}:${start}: write ts, not typescript`);
    if (language !== 'ts') continue;
    const code = lines.slice(start, index).map((line) => line.replace(indentation, ''));
    addExample(examples, { document, line: start + 1, mark, code });
  }
  return examples;
}

function addExample(
  examples: Example[],
  { document, line, mark, code }: { document: string; line: number; mark: string; code: string[] },
): void {
  if (!MARKS.includes(mark)) throw new Error(`${document}:${line - 1}: no such mark: ${mark}`);
  if (mark !== 'continues') {
    // The line of the fence is free for the import that programs begin with.
    examples.push({ document, line, runs: mark === '', code: `${'\n'.repeat(line - 1)}${code.join('\n')}` });
    return;
  }
  const before = examples.pop();
  if (before === undefined) throw new Error(`${document}:${line - 1}: there is no example to continue`);
  const gap = line - before.code.split('\n').length;
  examples.push({ ...before, code: `${before.code}${'\n'.repeat(gap)}${code.join('\n')}` });
}

/**
 * Makes the program: what stands before a comment `// => text` is compared with that text when the program runs.
 * It is an expression, a console.log, or a declaration of one name. Throws when it is something else.
 * @param checker how the program imports example-check.ts
 */
export function toProgram(example: Example, checker: string): string {
  const file = { path: `${example.document}.ts`, text: example.code };
  const { program, comments } = parse(file);
  const edits: Edit[] = [];
  const lines: number[] = [];
  for (const { type, value, start } of comments) {
    const expected = type === 'Line' ? /^\s*=>\s*(.*?)\s*$/.exec(value)?.[1] : undefined;
    if (expected === undefined) continue;
    const line = example.code.slice(0, start).split('\n').length;
    const statement = statementBefore(program, example.code, start);
    const added = statement && checks(statement, `${line}, ${JSON.stringify(expected)}`);
    if (added === undefined) {
      const wanted = 'an expression, a console.log or a declaration of one name, with its semicolon';
      throw new Error(`${example.document}:${line}: before // => there must be ${wanted}`);
    }
    lines.push(line);
    edits.push(...added);
  }
  const header = `import { check as __check, checkLog as __checkLog, announce as __announce } from '${checker}';`;
  return `${header} __announce([${lines.join(', ')}]);${apply(example.code, edits)}`;
}

/** Replaces the text between two offsets. */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

function checks(statement: Syntax, lineAndExpected: string): Edit[] | undefined {
  const { expression, declarations } = statement;
  if (isSyntax(expression)) {
    const logged = loggedFrom(expression);
    if (logged !== undefined) {
      return [{ start: expression.start, end: logged, text: `__checkLog(${lineAndExpected}, ` }];
    }
    return [
      { start: expression.start, end: expression.start, text: `__check(${lineAndExpected}, ` },
      { start: expression.end, end: expression.end, text: ')' },
    ];
  }
  const [declaration, ...others] = Array.isArray(declarations) ? declarations.filter(isSyntax) : [];
  const name = declaration?.['id'];
  if (others.length > 0 || !isSyntax(name) || name.type !== 'Identifier') return undefined;
  return [
    {
      start: statement.end,
      end: statement.end,
      text: ` __check(${lineAndExpected}, ${String(name['name'])});`,
    },
  ];
}

/** Where the arguments of a console.log begin. */
function loggedFrom(expression: Syntax): number | undefined {
  const { callee, arguments: args } = expression;
  if (expression.type !== 'CallExpression' || !isSyntax(callee) || callee.type !== 'MemberExpression')
    return undefined;
  const { object, property } = callee;
  const isLog =
    isSyntax(object) && object['name'] === 'console' && isSyntax(property) && property['name'] === 'log';
  const first: unknown = Array.isArray(args) ? args[0] : undefined;
  return isLog && isSyntax(first) ? first.start : undefined;
}

/** The statement that ends right before an offset, on the same line. */
function statementBefore(program: Syntax, code: string, offset: number): Syntax | undefined {
  let found: Syntax | undefined;
  visit(program, (node) => {
    if (node.type !== 'ExpressionStatement' && node.type !== 'VariableDeclaration') return;
    if (node.end <= offset && /^[^\S\n]*$/.test(code.slice(node.end, offset))) found = node;
  });
  return found;
}

function apply(code: string, edits: readonly Edit[]): string {
  const ordered = edits.toSorted((a, b) => b.start - a.start);
  return ordered.reduce(
    (text, { start, end, text: added }) => text.slice(0, start) + added + text.slice(end),
    code,
  );
}
