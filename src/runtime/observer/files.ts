// The files of the page, as the build has made them: read into memory once, so that no request reaches the disk.
//
// They are kept compressed, as they come; who takes nothing compressed gets them unpacked. The policy lets the page use what comes from
// this folder and nothing else: no inline script or style, no frame, no other origin.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** The first file of the page. */
const INDEX = 'index.html';
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
  '.json': 'application/json; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
};
const PACKED = '.gz';

/** The headers of all answers of the observer. */
export const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
};

interface File {
  readonly type: string;
  readonly packed: Buffer;
}

/** The built page: beside the built plugin, or in dist/ when the sources are run. */
export function pageFolder(): string {
  const folder = import.meta.url.endsWith('.ts') ? '../../../dist/runtime/observer/page' : './page';
  return fileURLToPath(new URL(folder, import.meta.url));
}

/** The files of a page. */
export class PageFiles {
  readonly #files = new Map<string, File>();

  /** Reads all files of a folder; none when it is not there. */
  constructor(folder: string) {
    if (!existsSync(folder)) return;
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const name = relative(folder, path).split(sep).join('/');
      const bytes = readFileSync(path);
      const isPacked = name.endsWith(PACKED);
      const plain = isPacked ? name.slice(0, -PACKED.length) : name;
      const type = TYPES[extname(plain)] ?? 'application/octet-stream';
      this.#files.set(plain, { type, packed: isPacked ? bytes : gzipSync(bytes) });
    }
  }

  /** Answers with a file; the first one of the page has no name. */
  answer(request: FastifyRequest, reply: FastifyReply, name: string): FastifyReply {
    if (this.#files.size === 0)
      return reply.code(503).type('text/plain').send('The page is not built: npm run build makes it.\n');
    const file = this.#files.get(name === '' ? INDEX : name);
    if (file === undefined)
      return reply.code(404).type('text/plain').send('There is no such file in the observer.\n');
    // The names of the assets have a hash of what is in them.
    if (name.startsWith('assets/'))
      void reply.header('cache-control', 'private, max-age=31536000, immutable');
    void reply.type(file.type).header('vary', 'accept-encoding');
    if (!takesGzip(request)) return reply.send(gunzipSync(file.packed));
    return reply.header('content-encoding', 'gzip').send(file.packed);
  }
}

function takesGzip({ headers }: FastifyRequest): boolean {
  return [headers['accept-encoding'] ?? '']
    .flat()
    .join()
    .split(',')
    .some((each) => /^\s*gzip\s*(;\s*q=(?!0(\.0*)?\s*$)|$)/i.test(each));
}
