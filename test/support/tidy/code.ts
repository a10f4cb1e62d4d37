// Rules on the text and the declarations of files that oxlint does not have.
import {
  faultAt,
  isCode,
  isSyntax,
  parse,
  visit,
  type Fault,
  type SourceFile,
  type Syntax,
} from './source.ts';

const LINES_MAX = 500;

/** A file has at most 500 lines; of code oxlint says so. */
export function lengthFaults(file: SourceFile): Fault[] {
  const lines = file.text.replace(/\n$/, '').split('\n').length;
  return lines > LINES_MAX
    ? [{ at: `${file.path}:${LINES_MAX}`, message: `has ${lines} lines, ${LINES_MAX} is the most` }]
    : [];
}

/** A file begins with a comment that says what it is. */
export function headerFaults(file: SourceFile): Fault[] {
  const text = file.text.replace(/^#!.*\n/, '');
  return /^\s*(\/\/|\/\*)/.test(text)
    ? []
    : [{ at: `${file.path}:1`, message: 'does not begin with a comment that says what it is' }];
}

/** Each exported declaration has a doc comment; of several declarations of one name, the first. */
export function docFaults(file: SourceFile): Fault[] {
  const { program, comments } = parse(file);
  const body = statements(program);
  const seen = new Set<string>();
  const documented = (declaration: Syntax): boolean =>
    comments.some(
      ({ type, value, end }) =>
        type === 'Block' &&
        value.startsWith('*') &&
        end <= declaration.start &&
        isBlank(file.text.slice(end, declaration.start)),
    );
  return body.flatMap((statement) => {
    if (statement.type !== 'ExportNamedDeclaration' || statement['source'] !== null) return [];
    return exportedDeclarations(statement, body).flatMap(({ name, at }) => {
      if (seen.has(name)) return [];
      seen.add(name);
      return documented(at) ? [] : [faultAt(file, at.start, `exports ${name} without a doc comment`)];
    });
  });
}

/** What an export statement declares, or for `export { a }` where `a` is declared. */
function exportedDeclarations(
  statement: Syntax,
  body: readonly Syntax[],
): Array<{ name: string; at: Syntax }> {
  const declaration = statement['declaration'];
  if (isSyntax(declaration)) return namesOf(declaration).map((name) => ({ name, at: statement }));
  return list(statement['specifiers']).flatMap((specifier) => {
    const name = nameOf(specifier['local']);
    const at = body.find((candidate) => namesOf(candidate).includes(name));
    return at === undefined ? [] : [{ name, at }]; // what is imported is documented where it is declared
  });
}

function namesOf(declaration: Syntax): string[] {
  if (declaration.type === 'VariableDeclaration')
    return list(declaration['declarations']).map(({ id }) => nameOf(id));
  return isSyntax(declaration['id']) ? [nameOf(declaration['id'])] : [];
}

function nameOf(node: unknown): string {
  return isSyntax(node) ? String(node['name'] ?? node['value']) : '';
}

function statements(program: Syntax): Syntax[] {
  return list(program['body']);
}

function list(value: unknown): Syntax[] {
  return Array.isArray(value) ? value.filter(isSyntax) : [];
}

function isBlank(text: string): boolean {
  return text.trim() === '';
}

/** Only the program's main file opens ports. */
export function listenFaults(file: SourceFile): Fault[] {
  const faults: Fault[] = [];
  visit(parse(file).program, (node) => {
    if (node.type !== 'MemberExpression' || nameOf(node['property']) !== 'listen') return;
    faults.push(faultAt(file, node.start, 'listens: only src/app/main.ts opens ports'));
  });
  return faults;
}

/** A path of one machine. The pattern is written not to match itself. */
const MACHINE_PATH = /(?<![\w.~-])\/(work|root|home)\/[\w.-]/;
/** Words that leave work undone; in the comments of code oxlint finds them. */
const UNDONE = /\b(TO[D]O|FIX[M]E|X[X]X)\b/;

/** None of the words that must not stay. */
export function wordFaults(file: SourceFile): Fault[] {
  return file.text.split('\n').flatMap((line, index) => {
    const at = `${file.path}:${index + 1}`;
    const path = MACHINE_PATH.exec(line)?.[0];
    const word = isCode(file.path) ? undefined : UNDONE.exec(line)?.[0];
    return [
      ...(path === undefined ? [] : [{ at, message: `"${path}" names a path of one machine` }]),
      ...(word === undefined ? [] : [{ at, message: `"${word}" leaves work undone` }]),
    ];
  });
}
