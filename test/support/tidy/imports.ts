// Which layer may import which. Dependencies point one way: app -> fastify -> pg and otp -> process. Tests, and all else beside src/,
// come in by the doors of a folder.
import { posix } from 'node:path';
import { isBuiltin } from 'node:module';
import { faultAt, isSyntax, parse, visit, type Fault, type SourceFile } from './source.ts';

/**
 * The layers of src/runtime, the lowest first: a folder, or a file beside the folders under its own name; `index` is the entry
 * point. Each may import itself and what is named here, and nothing above it.
 */
const LAYERS: Record<string, readonly string[]> = {
  backoff: [],
  errors: [],
  options: ['errors'],
  terms: ['errors', 'options'],
  telemetry: ['terms'], // it names what the events and the tracer carry
};
/** What all layers from processes on may import. */
const BASE: readonly string[] = Object.keys(LAYERS);
Object.assign(LAYERS, {
  etf: BASE, // src/runtime/distribution/etf: the codec knows terms and nothing else
  process: BASE,
  otp: [...BASE, 'process'],
  pg: [...BASE, 'process', 'otp'],
  distribution: [...BASE, 'etf', 'process', 'otp', 'pg'],
  fastify: [...BASE, 'process', 'otp', 'pg'],
  log: [...BASE, 'process', 'index'],
  otel: ['errors', 'telemetry'],
  client: [],
  testing: [...BASE, 'process', 'otp', 'pg', 'distribution'],
  inspect: [...BASE, 'process', 'otp', 'pg', 'index'],
  repl: [...BASE, 'process', 'otp', 'pg', 'distribution', 'index', 'inspect'],
  cli: ['repl'],
  observer: [...BASE, 'process', 'otp', 'pg', 'index', 'inspect', 'fastify'],
  index: [...BASE, 'process', 'otp', 'pg'],
  internal: BASE,
});
const RUNTIME = 'src/runtime/';
/** What the tests use of a folder besides its public names. */
const INTERNAL = '/internal.ts';
/** May depend on packages: Fastify, OpenTelemetry, what reads the code of a line, and what draws the observer's page. */
const WITH_PACKAGES: readonly string[] = ['fastify', 'observer', 'otel', 'repl'];

/** Faults of the imports of one file. Imports of types count. */
export function importFaults(file: SourceFile): Fault[] {
  return importsOf(file).flatMap(({ specifier, offset }) => {
    const reason = forbidden(file.path, specifier);
    return reason === undefined ? [] : [faultAt(file, offset, `imports ${specifier}: ${reason}`)];
  });
}

function forbidden(path: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) {
    const target = posix.normalize(posix.join(posix.dirname(path), specifier));
    if (!path.startsWith('src/')) return fromOutside(target);
    if (target.endsWith(INTERNAL)) return 'internal.ts is for tests';
    return path.startsWith(RUNTIME) ? runtimeToFile(path, target) : appToFile(target);
  }
  if (!path.startsWith('src/')) return undefined;
  if (path.startsWith(RUNTIME) && !WITH_PACKAGES.includes(layerOf(path)) && !isNodeBuiltin(specifier)) {
    return 'the core of the runtime has no dependency but Node.js (as node:...)';
  }
  return undefined;
}

function runtimeToFile(path: string, target: string): string | undefined {
  if (!target.startsWith(RUNTIME)) return 'the runtime imports nothing from outside src/runtime';
  const from = layerOf(path);
  const to = layerOf(target);
  if (from === to) return undefined;
  const allowed = LAYERS[from];
  if (allowed === undefined)
    return `src/runtime/${from} is not a known layer: name it in test/support/tidy/imports.ts`;
  if (allowed.includes(to)) return undefined;
  return `${from} may import ${allowed.join(', ')}, not ${to}`;
}

function fromOutside(target: string): string | undefined {
  if (!target.startsWith('src/') || /\/(index|internal)\.ts$/.test(target)) return undefined;
  return 'tests use the public names (troupe, ...) or the internal.ts of a folder';
}

function appToFile(target: string): string | undefined {
  if (!target.startsWith(RUNTIME)) return undefined;
  return 'the application uses the runtime as its users do: troupe, troupe/fastify, troupe/erlang, troupe/repl';
}

function layerOf(path: string): string {
  const [first = '', ...rest] = path.slice(RUNTIME.length).split('/');
  if (first === 'distribution' && rest.length > 1 && rest[0] === 'etf') return 'etf';
  if (rest.length > 0) return first;
  return posix.basename(first, '.ts');
}

/** Only with its prefix can a module of Node.js not be mistaken for a package. */
function isNodeBuiltin(specifier: string): boolean {
  return specifier.startsWith('node:') && isBuiltin(specifier);
}

function importsOf(file: SourceFile): Array<{ specifier: string; offset: number }> {
  const found: Array<{ specifier: string; offset: number }> = [];
  visit(parse(file).program, (node) => {
    // import, export ... from, import() and the type import('...')
    if (!/^(Import|Export|TSImport)/.test(node.type) || !isSyntax(node['source'])) return;
    const specifier = node['source']['value'];
    if (typeof specifier === 'string') found.push({ specifier, offset: node['source'].start });
  });
  return found;
}
