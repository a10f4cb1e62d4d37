// What a REPL runs that may only ask: calls of the helpers that look, with literals as arguments. Nothing is evaluated: the line is
// parsed, the helper is looked up by its name, and its arguments are built from the syntax tree.
import { type AnyNode, type Expression, parse } from 'acorn';
import type { Evaluation } from './evaluator.ts';
import { Fault, type Helper, type Shell } from './shell.ts';
import { questionHelpers } from './helpers/inspect.ts';
import { transform } from './transform.ts';

const REFUSED =
  'this REPL only answers questions: call one helper, with literals as arguments; help() lists the helpers';

/** Runs questions. It stands in for an `Evaluator`. */
export class Questions {
  /** The helpers, by name. */
  readonly variables: Record<string, unknown>;
  readonly #helpers: Readonly<Record<string, Helper>>;

  constructor(shell: Shell) {
    this.#helpers = questionHelpers(shell);
    this.variables = Object.assign(
      Object.create(null) as Record<string, unknown>,
      Object.fromEntries(Object.entries(this.#helpers).map(([name, { run }]) => [name, run])),
    );
  }

  /** Answers a question. */
  run(input: string): Evaluation {
    const parsed = transform(input);
    if (parsed.kind !== 'program') return parsed;
    return { kind: 'running', value: this.#answer(input), abandon: () => undefined };
  }

  /** Calls what shows a result. */
  call<T>(callback: () => T): T {
    return callback();
  }

  /** There is nothing to end. */
  close(): void {
    Object.freeze(this.variables);
  }

  async #answer(input: string): Promise<unknown> {
    const { body } = parse(input, { ecmaVersion: 'latest', allowAwaitOutsideFunction: true });
    const statements = body.filter(({ type }) => type !== 'EmptyStatement');
    if (statements.length === 0) return undefined;
    const [statement] = statements;
    if (statements.length > 1 || statement?.type !== 'ExpressionStatement') throw new Fault(REFUSED);
    const { expression } = statement;
    const asked = expression.type === 'AwaitExpression' ? expression.argument : expression;
    if (asked.type !== 'CallExpression' || asked.callee.type !== 'Identifier') throw new Fault(REFUSED);
    const { name } = asked.callee;
    const helper = Object.hasOwn(this.#helpers, name) ? this.#helpers[name] : undefined;
    if (helper === undefined) throw new Fault(`there is no question '${name}' here; help() lists them`);
    const run = helper.run as (...args: unknown[]) => unknown;
    return await run(...asked.arguments.map(literal));
  }
}

/** The value of a literal. @throws Fault for what would have to be evaluated */
function literal(node: AnyNode | null): unknown {
  switch (node?.type) {
    case 'Literal':
      if (node.regex === undefined) return node.value;
      break;
    case 'Identifier':
      if (node.name === 'undefined') return undefined;
      break;
    case 'UnaryExpression':
      if (node.operator === '-' && node.argument.type === 'Literal') return -Number(node.argument.value);
      break;
    case 'ArrayExpression':
      return node.elements.map((each) => literal(each as Expression | null));
    case 'ObjectExpression':
      return Object.fromEntries(
        node.properties.map((property) => {
          if (property.type !== 'Property' || property.computed || property.kind !== 'init')
            throw new Fault(REFUSED);
          const { key, value } = property;
          if (key.type === 'Identifier') return [key.name, literal(value)];
          if (key.type === 'Literal') return [String(key.value), literal(value)];
          throw new Fault(REFUSED);
        }),
      );
  }
  throw new Fault(REFUSED);
}
