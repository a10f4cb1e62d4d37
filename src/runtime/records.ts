/**
 * The classes of messages that may leave a node.
 *
 * A carrier copies plain values; an instance of a class can only be made again on the other side when both sides know
 * the class. The runtime's own messages are made known here, next to where their class is defined; a carrier looks them
 * up and translates them into its own form. It moves nothing itself.
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
  definitions.set(constructor.prototype as object, { tag, fields, reason: options?.reason, make });
}

/** @internal The definition of the class of a value, or undefined when it is no record. */
export function recordOf(value: object): RecordDefinition | undefined {
  return definitions.get(Object.getPrototypeOf(value) as object);
}
