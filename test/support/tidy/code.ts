// Rules on the text and the declarations of code files.
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

/** A file has at most 500 lines. */
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

/** No default exports. */
export function defaultExportFaults(file: SourceFile): Fault[] {
  return statements(parse(file).program)
    .filter(({ type }) => type === 'ExportDefaultDeclaration')
    .map(({ start }) => faultAt(file, start, 'has a default export: name it'));
}

/** The runtime does not print: it publishes events. */
export function consoleFaults(file: SourceFile): Fault[] {
  return memberFaults(file, (object) => object === 'console', 'prints: publish an event instead');
}

/** Only the main file of a program ends the process. */
export function exitFaults(file: SourceFile): Fault[] {
  return memberFaults(
    file,
    (object, property) => object === 'process' && ['exit', 'abort', 'reallyExit'].includes(property),
    'ends the process: only the main file of a program does',
  );
}

/** Only the program's main file opens ports. */
export function listenFaults(file: SourceFile): Fault[] {
  return memberFaults(
    file,
    (_, property) => property === 'listen',
    'listens: only src/app/main.ts opens ports',
  );
}

function memberFaults(
  file: SourceFile,
  matches: (object: string, property: string) => boolean,
  message: string,
): Fault[] {
  const faults: Fault[] = [];
  visit(parse(file).program, (node) => {
    if (node.type !== 'MemberExpression' || !isSyntax(node['property'])) return;
    const object =
      isSyntax(node['object']) && node['object'].type === 'Identifier' ? nameOf(node['object']) : '';
    const property = nameOf(node['property']);
    if (matches(object, property)) faults.push(faultAt(file, node.start, `${object}.${property} ${message}`));
  });
  return faults;
}

/** Words that leave work undone, silence a check or belong to one machine. The patterns are written not to match themselves. */
const WORDS: ReadonlyArray<{ pattern: RegExp; message: string; where?: (path: string) => boolean }> = [
  { pattern: /\b(TO[D]O|FIX[M]E|X[X]X)\b/, message: 'leaves work undone' },
  { pattern: /(?<![\w.~-])\/(work|root|home)\/[\w.-]/, message: 'names a path of one machine' },
  { pattern: /@ts-(ignor[e]|nochec[k])/, message: 'silences the compiler', where: isCode },
  {
    pattern: /@ts-expect-erro[r]/,
    message: 'silences the compiler outside test/types',
    where: (path) => isCode(path) && !path.startsWith('test/types/'),
  },
  {
    pattern: /\b(describe|test|it)\.(onl[y]|ski[p])\(/,
    message: 'leaves tests out: ask test/support/parts.ts',
    where: isCode,
  },
];

/** None of the words that must not stay. */
export function wordFaults(file: SourceFile): Fault[] {
  return file.text.split('\n').flatMap((line, index) =>
    WORDS.filter(({ pattern, where }) => (where?.(file.path) ?? true) && pattern.test(line)).map(
      ({ pattern, message }) => ({
        at: `${file.path}:${index + 1}`,
        message: `"${pattern.exec(line)?.[0]}" ${message}`,
      }),
    ),
  );
}
