/**
 * The classes of messages that may leave a node.
 *
 * A carrier copies plain values; an instance of a class can only be made again on the other side when both sides know
 * the class. The runtime's own messages are made known here, next to where their class is defined; a carrier looks them
 * up and translates them into its own form. It moves nothing itself.
 *
 * To Erlang a record is the tuple of its tag and its fields, but for those that a carrier for Erlang knows by their tag:
 * exits, calls, casts and broadcasts.
 *
 * Invariant: the fields of a record are the parameters of its constructor, in that order.
 */

/** A class that is known to carriers. */
export interface RecordDefinition {
  /** Its name on the wire: the first element of the Erlang tuple that it stands for. */
  readonly tag: string;
  /** The fields that travel, in the order of the constructor's parameters. */
  readonly fields: readonly string[];
  /** The field that holds an exit reason, in which an Error may stand. */
  readonly reason: string | undefined;
  /** Makes an instance from the values of its fields. */
  make(values: readonly unknown[]): object;
}

const definitions = new Map<object, RecordDefinition>();
const byTag = new Map<string, RecordDefinition>();

/**
 * @internal Makes a class known to carriers.
 * @param options `reason`: the field that holds an exit reason.
 */
export function defineRecord<T extends object>(
  constructor: new (...values: never[]) => T,
  tag: string,
  fields: readonly (keyof T & string)[],
  options?: { readonly reason: keyof T & string },
): void {
  const make = (values: readonly unknown[]): T =>
    new (constructor as new (...values: readonly unknown[]) => T)(...values);
  const definition = { tag, fields, reason: options?.reason, make };
  definitions.set(constructor.prototype as object, definition);
  byTag.set(tag, definition);
}

/** @internal The definition of the class of a value, or undefined when it is no record. */
export function recordOf(value: object): RecordDefinition | undefined {
  return definitions.get(Object.getPrototypeOf(value) as object);
}

/** @internal The definition of the class with a tag, or undefined when no such class has been loaded. */
export function recordTagged(tag: string): RecordDefinition | undefined {
  return byTag.get(tag);
}
