/**
 * How channels look to Erlang: which are named by an atom, and how their payloads are written.
 *
 * A program declares its channels (`defineChannel`, or an `Atom` for the name in `pubsub`); the name of a declared one is
 * an atom on the wire, as Nova wants it, and any other name is a binary, since it may hold what a user typed. Carriers look
 * the form of a channel up here when a broadcast leaves the node or arrives.
 *
 * Limit: `MAX_DECLARED` channels; a name that is made while the program runs is not to be declared.
 */
import { TroupeError } from './errors.ts';
import { type Atom, atom } from './terms/atom.ts';

/** How many channels may be declared. */
export const MAX_DECLARED = 10_000;

/** How a channel is written for Erlang. */
export interface ChannelForm {
  /** Topics go out as charlists, Erlang's `"topic"`; else as binaries. */
  readonly topics: 'charlist' | 'binary';
  /** The keys of payloads, at any depth, that are atoms; others are binaries. */
  readonly atomKeys: ReadonlyMap<string, Atom>;
}

/** What a declaration may say; what is left out is as an earlier declaration says, or as by default. */
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

/** The form of a channel that nobody declared: its name is a binary. */
export const undeclaredForm: ChannelForm = { topics: 'charlist', atomKeys: NO_KEYS };

const declared = new Map<string, ChannelForm>();

/**
 * Declares a channel: its name is an atom to Erlang from now on.
 * @throws TroupeError TROUPE_BAD_CHANNEL when it was declared with another form, when there are too many, or when the name
 * can be no atom.
 */
export function declareChannel(name: string, options: ChannelFormOptions = {}): void {
  const before = declared.get(name);
  if (before === undefined && declared.size >= MAX_DECLARED) {
    throw new TroupeError('TROUPE_BAD_CHANNEL', `There are ${MAX_DECLARED} declared channels already.`);
  }
  const said = options.topics !== undefined || options.atomKeys !== undefined;
  if (before !== undefined && !said) return;
  const form = makeForm(name, options);
  if (before !== undefined && before !== undeclaredForm && !sameForm(before, form)) {
    throw new TroupeError(
      'TROUPE_BAD_CHANNEL',
      `The channel '${name}' is declared with two different forms.`,
    );
  }
  declared.set(name, said ? form : undeclaredForm);
}

/** The form of a channel, or undefined when nobody declared it. */
export function declaredForm(name: string): ChannelForm | undefined {
  return declared.get(name);
}

function makeForm(name: string, { topics = 'charlist', atomKeys }: ChannelFormOptions): ChannelForm {
  try {
    // The name, too, must be possible.
    atom(name);
    return {
      topics,
      atomKeys: atomKeys === undefined ? NO_KEYS : new Map(atomKeys.map((key) => [key, atom(key)])),
    };
  } catch (error) {
    throw new TroupeError('TROUPE_BAD_CHANNEL', `The channel '${name}' has a name or key that is no atom.`, {
      cause: error,
    });
  }
}

function sameForm(a: ChannelForm, b: ChannelForm): boolean {
  return (
    a.topics === b.topics &&
    a.atomKeys.size === b.atomKeys.size &&
    [...a.atomKeys.keys()].every((key) => b.atomKeys.has(key))
  );
}
