// The files of the embedded database, below PGlite. PGlite's own file system ignores fsync: here it is real, for folders as well,
// so that a commit is on the disk, as far as the disk keeps its promises, before it is answered.
//
// A fault of the disk or of the process (no space, I/O error, no descriptor) is reported at once and never returns to PGlite,
// whose state would be wrong: it would write on, or loop. A folder that was removed, moved or covered by a mount is such a
// fault: its open files can still be written, but the next process to open the folder would not find that data.
import { closeSync, fstatSync, fsyncSync, openSync, type Stats, statSync } from 'node:fs';
import type { PGlite } from '@electric-sql/pglite';
import { NodeFS } from '@electric-sql/pglite/nodefs';

/** What a fault means for the operator, by the code of Node.js. */
const FAULTS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota of the disk is used up',
  EFBIG: 'a file has reached the size that this process may write',
  EIO: 'the disk has failed',
  EROFS: 'the disk can only be read',
  EMFILE: 'this process has no file descriptor left',
  ENFILE: 'the system has no file descriptor left',
  ENOMEM: 'the system has no memory left',
  ENODEV: 'the disk is gone',
  ENXIO: 'the disk is gone',
  ESTALE: 'the folder on the network is gone',
};

/** What a fault of the files means; undefined for an error that PostgreSQL expects, such as a missing file. */
export function fileFault(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  const words = FAULTS[String(error.code)];
  return words === undefined ? undefined : `${words} (${error.message})`;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** The used part of Emscripten's file system for Node.js, which has no types. */
interface NodeFiles {
  realPath(node: object): string;
  tryFSOperation<T>(operation: () => T): T;
  readonly node_ops: { setattr: SetAttributes };
  readonly stream_ops: {
    setattr: SetAttributes;
    fsync?: (stream: Stream) => number;
    write: (stream: Stream, ...rest: unknown[]) => number;
  };
}

type SetAttributes = (target: object, attributes: { readonly mode?: number }) => void;

interface Stream {
  readonly node: object;
  readonly nfd?: number;
}

/** PGlite sets the mode of each file that it creates, whatever the umask. */
const PRIVATE = ~0o077;
const FOLDER_GONE = 'the folder was removed or moved away';
const WAL = /\/pg_wal\/[0-9A-F]{24}$/;

/** Identifies the folder, whatever its path leads to later. */
type Identity = Pick<Stats, 'dev' | 'ino'>;

export class DatabaseFiles extends NodeFS {
  readonly #folder: string;
  readonly #identity: Identity;
  readonly #onFault: (fault: string) => never;
  #walBytes = 0;

  /** @param onFault must not return */
  constructor(folder: string, onFault: (fault: string) => never) {
    super(folder);
    this.#folder = folder;
    this.#identity = statSync(folder);
    this.#onFault = onFault;
  }

  /** How many bytes were written to the write-ahead log since the last call with `reset`. */
  walBytes(reset = false): number {
    const bytes = this.#walBytes;
    if (reset) this.#walBytes = 0;
    return bytes;
  }

  override async init(...[pg, given]: Parameters<NodeFS['init']>): ReturnType<NodeFS['init']> {
    const { emscriptenOpts } = await super.init(pg, given);
    const preRun = [...(emscriptenOpts.preRun as Array<(module: PGlite['Module']) => void>)];
    preRun.push((module) => this.#amend((module as unknown as { NODEFS: NodeFiles }).NODEFS));
    return { emscriptenOpts: { ...emscriptenOpts, preRun } };
  }

  /** Whether the folder is where it was, and the open file is still in it. */
  #isInPlace(nfd?: number): boolean {
    const { dev, ino } = statSync(this.#folder, { throwIfNoEntry: false }) ?? {};
    const isSame = dev === this.#identity.dev && ino === this.#identity.ino;
    return isSame && (nfd === undefined || fstatSync(nfd).nlink > 0);
  }

  #amend(files: NodeFiles): void {
    const { tryFSOperation } = files;
    const { write } = files.stream_ops;
    files.tryFSOperation = (operation) =>
      tryFSOperation(() => {
        try {
          return operation();
        } catch (error) {
          const fault =
            fileFault(error) ?? (isMissing(error) && !this.#isInPlace() ? FOLDER_GONE : undefined);
          if (fault !== undefined) this.#onFault(fault);
          throw error;
        }
      });
    for (const operations of [files.node_ops, files.stream_ops]) {
      const { setattr } = operations;
      operations.setattr = (target, { mode, ...rest }) =>
        setattr(target, mode === undefined ? rest : { ...rest, mode: mode & PRIVATE });
    }
    files.stream_ops.fsync = (stream) => {
      files.tryFSOperation(() => syncStream(files, stream));
      // An answered commit is on the disk once the log is: it must be the log that the next process to open the folder reads.
      if (WAL.test(files.realPath(stream.node)) && !this.#isInPlace(stream.nfd)) this.#onFault(FOLDER_GONE);
      return 0;
    };
    files.stream_ops.write = (stream, ...rest) => {
      const bytes = write(stream, ...rest);
      if (WAL.test(files.realPath(stream.node))) this.#walBytes += bytes;
      return bytes;
    };
  }
}

/** A folder may have been opened without a descriptor. */
function syncStream(files: NodeFiles, { nfd, node }: Stream): void {
  if (nfd !== undefined) return fsyncSync(nfd);
  const fd = openSync(files.realPath(node), 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
