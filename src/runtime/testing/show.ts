/**
 * Messages as text, for the errors of this folder: one line each, cut where they get long.
 */
import { inspect } from 'node:util';
import { Call, Cast, RemoteCall } from '../otp/gen.ts';

/** How many messages an error lists; of the others it says how many there are. */
const LISTED_MAX = 20;
const LINE_MAX = 200;

/** One message. */
function showMessage(message: unknown): string {
  const text = messageText(message);
  return text.length > LINE_MAX ? `${text.slice(0, LINE_MAX)}…` : text;
}

/** @internal Several messages, the oldest first, below each other. */
export function showMessages(messages: readonly unknown[]): string {
  if (messages.length === 0) return 'nothing';
  const lines = messages.slice(0, LISTED_MAX).map((message) => `\n  - ${showMessage(message)}`);
  if (messages.length > LISTED_MAX) lines.push(`\n  and ${messages.length - LISTED_MAX} more`);
  return lines.join('');
}

function messageText(message: unknown): string {
  if (message instanceof Call || message instanceof RemoteCall) {
    return `call '${message.name}' from ${message.pid.toString()}: ${inspectLine(message.argument)}`;
  }
  if (message instanceof Cast) return `cast '${message.name}': ${inspectLine(message.argument)}`;
  return inspectLine(message);
}

function inspectLine(value: unknown): string {
  return inspect(value, { depth: 3, breakLength: Infinity, maxArrayLength: 20, maxStringLength: LINE_MAX });
}
