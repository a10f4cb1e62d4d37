/**
 * The text of a position, `<epoch>:<position>`: what a client keeps and hands in to go on from there.
 */

/** A place in the history of a channel: right after the event with this position. */
export interface Cursor {
  readonly epoch: string;
  readonly position: number;
}

const CURSOR = /^([\w-]{1,64}):(0|[1-9]\d{0,15})$/;

/** @internal Whether a text can be the epoch of a history: 1 to 64 letters, digits, `_` and `-`. */
export function isEpoch(text: string): boolean {
  return /^[\w-]{1,64}$/.test(text);
}

/** The text of a position. */
export function formatCursor({ epoch, position }: Cursor): string {
  return `${epoch}:${position}`;
}

/** The position that a text names; undefined when it names none. */
export function parseCursor(text: string): Cursor | undefined {
  const [, epoch, digits] = CURSOR.exec(text) ?? [];
  const position = Number(digits);
  return epoch === undefined || !Number.isSafeInteger(position) ? undefined : { epoch, position };
}
