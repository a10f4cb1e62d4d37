/**
 * What the groups of a scope are called, here and by peers.
 *
 * In most scopes a group has the name that it was joined under, whatever term it is. The groups of `nova_scope` are
 * channels: strings here, and for Nova atoms. There a channel that is declared, or that a peer calls by an atom, goes out
 * as an atom, and any other as a binary, since an atom is never freed on a BEAM node; both come in as the same channel.
 *
 * Invariant: while a group has local members it goes out under one name, whatever is declared meanwhile: what is told to
 * any peer is told under the name that the snapshot for it had. An OTP scope ends of a `leave` for a name that it was not
 * told.
 */
import { isUtf8 } from 'node:buffer';
import { declareChannel, declaredForm } from '../channel-forms.ts';
import { Atom, atom } from '../terms/atom.ts';
import type { Group } from './group.ts';

/** The name of the scope of channels, on every node. */
export const NOVA_SCOPE = 'nova_scope';

/** How the groups of a scope are called. In all scopes a string is itself here. */
export interface Naming {
  /** The name of a group here, for one that a program or a peer uses. */
  here(name: unknown): unknown;
  /** As `here`, for a local process that is about to join: it may be the first to use the name. */
  joined(name: unknown): unknown;
  /** Whether a name is an atom that stands for a group of another name here. */
  isAtom(name: unknown): boolean;
  /** The name that peers are told of a group with local members, and of one that had some just now. */
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
