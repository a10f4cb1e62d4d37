/**
 * The cookies by which nodes know that they belong together: one for all nodes, and others for single nodes as
 * `erlang:set_cookie/2` sets them. A cookie is an atom to Erlang, of which the bytes in Latin-1 count.
 *
 * A cookie keeps apart clusters that do not want each other; without TLS it protects from nobody who can read the network.
 */
import { lstatSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { TroupeError } from '../../../errors.ts';

const MAX_COOKIE_CHARACTERS = 255;
/** No cookie file of OTP is as long. */
const MAX_FILE_BYTES = 1024;
const OTHERS_MAY = 0o077;

/**
 * Returns a cookie that can be one.
 * @throws TroupeError TROUPE_BAD_COOKIE unless it has 1 to 255 characters of Latin-1.
 */
function checkCookie(cookie: string): string {
  if (typeof cookie !== 'string' || cookie.length === 0 || cookie.length > MAX_COOKIE_CHARACTERS) {
    throw new TroupeError(
      'TROUPE_BAD_COOKIE',
      `A cookie is a string of 1 to ${MAX_COOKIE_CHARACTERS} characters.`,
    );
  }
  for (let at = 0; at < cookie.length; at++) {
    if (cookie.charCodeAt(at) > 0xff) {
      throw new TroupeError('TROUPE_BAD_COOKIE', 'A cookie has only characters of Latin-1.');
    }
  }
  return cookie;
}

/** The cookies of a node. */
export class Cookies {
  #own: string | undefined;
  readonly #ofPeers = new Map<string, string>();

  /**
   * @param own The cookie for all nodes that have none of their own here; without it, only those can connect.
   * @throws TroupeError TROUPE_BAD_COOKIE
   */
  constructor(own?: string, ofPeers: Readonly<Record<string, string>> = {}) {
    this.#own = own === undefined ? undefined : checkCookie(own);
    for (const [peer, cookie] of Object.entries(ofPeers)) this.set(peer, cookie);
  }

  /**
   * The cookie for connections with a node, whichever of the two dials.
   * @throws TroupeError TROUPE_BAD_COOKIE when there is none.
   */
  of(peer: string): string {
    const cookie = this.#ofPeers.get(peer) ?? this.#own;
    if (cookie === undefined) {
      throw new TroupeError('TROUPE_BAD_COOKIE', `There is no cookie for ${peer}.`);
    }
    return cookie;
  }

  /** Sets the cookie for one node, from its next connection on. @throws TroupeError TROUPE_BAD_COOKIE */
  set(peer: string, cookie: string): void {
    this.#ofPeers.set(peer, checkCookie(cookie));
  }

  /** Sets the cookie for all other nodes, from their next connections on. @throws TroupeError TROUPE_BAD_COOKIE */
  setOwn(cookie: string): void {
    this.#own = checkCookie(cookie);
  }
}

/**
 * Where OTP keeps a user's cookie: `~/.erlang.cookie`, or when that does not exist `.erlang.cookie` in the user's folder of
 * settings for Erlang. See the chapter "Distributed Erlang" of the reference manual.
 */
function cookieFiles(): string[] {
  const home = homedir();
  const settings = process.env['XDG_CONFIG_HOME'] ?? join(home, '.config');
  return [join(home, '.erlang.cookie'), join(settings, 'erlang', '.erlang.cookie')];
}

/**
 * Reads a cookie as OTP's `auth` does: printable ASCII; the end of the line does not belong to it.
 * @param path Where it is; the user's, where OTP looks for it, when left out.
 * @throws TroupeError TROUPE_BAD_COOKIE when there is no such file, others may read it, or it does not hold a cookie.
 */
export function readCookieFile(path?: string): string {
  const file = path ?? cookieFiles().find(isThere);
  if (file === undefined) {
    throw new TroupeError('TROUPE_BAD_COOKIE', `There is no cookie file (${cookieFiles().join(', ')}).`);
  }
  let text: string;
  try {
    const stats = statSync(file);
    const { mode, size } = stats;
    if (!stats.isFile())
      throw new TroupeError('TROUPE_BAD_COOKIE', `${file} is no file that holds a cookie.`);
    // Windows has no such rights; OTP does not look there either.
    if (process.platform !== 'win32' && (mode & OTHERS_MAY) !== 0) {
      throw new TroupeError(
        'TROUPE_BAD_COOKIE',
        `${file} can be used by others than its owner: run \`chmod 600 ${file}\`.`,
      );
    }
    if (size > MAX_FILE_BYTES)
      throw new TroupeError('TROUPE_BAD_COOKIE', `${file} is too long for a cookie.`);
    text = readFileSync(file, 'latin1');
  } catch (error) {
    if (error instanceof TroupeError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new TroupeError('TROUPE_BAD_COOKIE', `${file} could not be read: ${why}.`, { cause: error });
  }
  const cookie = text.replace(/[\r\n][\r\n ]*$/, '');
  if (!/^[ -~]+$/.test(cookie)) {
    throw new TroupeError('TROUPE_BAD_COOKIE', `${file} does not hold one line of printable ASCII.`);
  }
  return checkCookie(cookie);
}

function isThere(file: string): boolean {
  return lstatSync(file, { throwIfNoEntry: false }) !== undefined;
}
