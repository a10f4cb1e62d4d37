/**
 * How channels look to Erlang: which are named by an atom, and how their payloads are written.
 *
 * A program declares its channels (`defineChannel`, or an `Atom` for the name in `pubsub`); the name of a declared one is
 * an atom on the wire, as Nova wants it, and any other name is a binary, since it may hold what a user typed. Carriers look
 * the form of a channel up here when a broadcast leaves the node or arrives.
 *
 * A channel that a peer calls by an atom is declared when something is broadcast on it; see `declareHeard`.
 *
 * Limits: the program declares at most `MAX_DECLARED` channels, since an atom is never freed on a BEAM node: a name that is
 * made while the program runs is not to be declared. At most `MAX_HEARD` more are declared because of peers; the names of
 * others stay binaries in messages.
 */
import { TroupeError } from '../errors.ts';
import { Atom, atom } from '../terms/atom.ts';
import { isUtf8 } from 'node:buffer';
import type { Group } from './group.ts';

/** How many channels may be declared. */
export const MAX_DECLARED = 10_000;

/** How many channels may be declared because a peer calls them by an atom. */
export const MAX_HEARD = 10_000;

/** How a channel is written for Erlang. */
export interface ChannelForm {
  /** Topics go out as charlists, Erlang's `"topic"`; else as binaries. */
  readonly topics: 'charlist' | 'binary';
  /** The keys of payloads, at any depth, that are atoms; others are binaries. */
  readonly atomKeys: ReadonlyMap<string, Atom>;
}

/** What a declaration may say; what is left out is as another declaration says, or as by default. */
export interface ChannelFormOptions {
  /** How topics go out. Default `charlist`, which `"topic"` in a clause of an Erlang function matches. */
  readonly topics?: 'charlist' | 'binary';
  /**
   * The keys of payloads that are atoms to Erlang, wherever they stand in a payload. Others go out as binaries, and no key
   * that a user chose may be named here. With this, maps that arrive with atoms for keys are plain objects to the members.
   */
  readonly atomKeys?: readonly string[];
}

const NO_KEYS: ReadonlyMap<string, Atom> = new Map();

/** The form of an undeclared channel: its name is a binary. */
export const undeclaredForm: ChannelForm = { topics: 'charlist', atomKeys: NO_KEYS };

/** What was declared of a channel: what was said, and the form that comes of it. */
interface Declared {
  readonly topics: ChannelForm['topics'] | undefined;
  readonly atomKeys: ReadonlyMap<string, Atom> | undefined;
  readonly form: ChannelForm;
}

/** That of a channel of which nothing was said but its name. */
const PLAIN: Declared = { topics: undefined, atomKeys: undefined, form: undeclaredForm };

const declared = new Map<string, Declared>();
/** Those declared only because of a peer. */
const heard = new Set<string>();

/**
 * Declares a channel: its name is an atom to Erlang from now on.
 * @throws TroupeError TROUPE_BAD_CHANNEL when it was declared with another form, when there are too many, or when the name
 * cannot be an atom.
 */
export function declareChannel(name: string, options: ChannelFormOptions = {}): void {
  const before = declared.get(name);
  if ((before === undefined || heard.has(name)) && declared.size - heard.size >= MAX_DECLARED) {
    throw bad(`There are ${MAX_DECLARED} declared channels already.`);
  }
  const now = combine(name, before ?? PLAIN, options);
  if (before === undefined) atomOf(name, name);
  if (now !== before) declared.set(name, now);
  heard.delete(name);
}

/**
 * @internal Declares a channel that a peer calls by an atom, unless it is declared, or too many are because of peers. The
 * atom is there at the peer already.
 */
export function declareHeard(name: string): void {
  if (declared.has(name) || heard.size >= MAX_HEARD) return;
  declared.set(name, PLAIN);
  heard.add(name);
}

/** The form of a channel, or undefined if it is not declared. */
export function declaredForm(name: string): ChannelForm | undefined {
  return declared.get(name)?.form;
}

function combine(name: string, before: Declared, options: ChannelFormOptions): Declared {
  if (options.topics === undefined && options.atomKeys === undefined) return before;
  if (!['charlist', 'binary', undefined].includes(options.topics)) {
    throw bad(
      `The topics of the channel '${name}' must go out as 'charlist' or 'binary', not as '${options.topics}'.`,
    );
  }
  const topics = options.topics ?? before.topics;
  const said = options.atomKeys && new Map(options.atomKeys.map((key) => [key, atomOf(name, key)]));
  const atomKeys = said ?? before.atomKeys;
  if (
    (before.topics !== undefined && topics !== before.topics) ||
    (before.atomKeys !== undefined && !sameKeys(before.atomKeys, atomKeys ?? NO_KEYS))
  ) {
    throw bad(`The channel '${name}' is declared with two different forms.`);
  }
  return { topics, atomKeys, form: { topics: topics ?? 'charlist', atomKeys: atomKeys ?? NO_KEYS } };
}

function sameKeys(a: ReadonlyMap<string, Atom>, b: ReadonlyMap<string, Atom>): boolean {
  return a.size === b.size && [...a.keys()].every((key) => b.has(key));
}

function atomOf(channel: string, name: string): Atom {
  try {
    return atom(name);
  } catch (error) {
    throw bad(`The channel '${channel}' has a name or key that cannot be an atom.`, error);
  }
}

function bad(what: string, cause?: unknown): TroupeError {
  return new TroupeError('TROUPE_BAD_CHANNEL', what, cause === undefined ? {} : { cause });
}

// ---- names of groups ----

/** The name of the scope of channels, on every node. */
export const NOVA_SCOPE = 'nova_scope';

/**
 * What the groups of a scope are called, here and by peers.
 *
 * In most scopes a group has the name that it was joined under, whatever term it is. The groups of `nova_scope` are
 * channels: strings here, and for Nova atoms. There a channel that is declared, or that a peer calls by an atom, goes out
 * as an atom, and any other as a binary, since an atom is never freed on a BEAM node; both come in as the same channel.
 *
 * Invariant: while a group has local members it goes out under one name, whatever is declared meanwhile: every message to a
 * peer uses the name that the snapshot for it had. A `leave` for a name that it does not know ends an OTP scope.
 */
export interface Naming {
  /** The name of a group here, for one that a program or a peer uses. */
  here(name: unknown): unknown;
  /** As `here`, for a local process that is about to join: it may be the first to use the name. */
  joined(name: unknown): unknown;
  /** Whether a name is an atom that stands for a group of another name here. */
  isAtom(name: unknown): boolean;
  /** The name in messages to peers of a group that has local members, or had some until just now. */
  told(group: Group): unknown;
}

/** Names are terms, as they are. */
const terms: Naming = {
  here: (name) => name,
  joined: (name) => name,
  isAtom: () => false,
  told: (group) => group.name,
};

/** Names are strings, and atoms elsewhere. */
const channels: Naming = {
  here: channelOf,
  joined: (name) => {
    if (name instanceof Atom) declareChannel(name.name);
    return channelOf(name);
  },
  isAtom: (name) => atomText(name) !== undefined,
  told: (group) => (group.toldAs ??= spell(group)),
};

/** How the groups of a scope are called. */
export function namingOf(scope: string): Naming {
  return scope === NOVA_SCOPE ? channels : terms;
}

function spell({ name, heardAsAtom }: Group): unknown {
  if (typeof name !== 'string') return name;
  return heardAsAtom || declaredForm(name) !== undefined ? atom(name) : name;
}

/** An atom, or bytes that are text, are the channel of that text. */
function channelOf(name: unknown): unknown {
  if (name instanceof Uint8Array) return isUtf8(name) ? Buffer.from(name).toString() : name;
  return atomText(name) ?? name;
}

/** The text of an atom, also of one that has a value of its own in JavaScript. */
function atomText(name: unknown): string | undefined {
  if (name instanceof Atom) return name.name;
  if (name === null) return 'nil';
  return typeof name === 'boolean' || name === undefined ? String(name) : undefined;
}
