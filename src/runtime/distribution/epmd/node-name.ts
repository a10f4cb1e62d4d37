/** The parts of a node's name, and which hosts are this machine. */
import { isIPv4 } from 'node:net';
import { hostname } from 'node:os';
import { NAME_MAX_BYTES } from './protocol.ts';

/**
 * Takes a node name apart. It is ASCII without blanks, since OTP's handshake reads Latin-1, has one @ with something on
 * either side, and at most 255 characters.
 * @returns undefined when it is no node name
 */
export function splitNodeName(node: string): { readonly alive: string; readonly host: string } | undefined {
  if (node.length > NAME_MAX_BYTES) return undefined;
  const [, alive, host] = /^([!-?A-~]+)@([!-?A-~]+)$/.exec(node) ?? [];
  return alive === undefined || host === undefined ? undefined : { alive, host };
}

/** True for an address that only this machine can send from, and for `localhost`. */
export function isLoopback(host: string): boolean {
  const address = host.startsWith('::ffff:') ? host.slice(7) : host;
  return address === 'localhost' || address === '::1' || (isIPv4(address) && address.startsWith('127.'));
}

/** True for the host name of this machine, whole or only its first label as in `erl -sname`. */
export function isThisHost(host: string): boolean {
  const own = hostname().toLowerCase();
  const asked = host.toLowerCase();
  return asked === own || asked === own.split('.', 1)[0];
}
