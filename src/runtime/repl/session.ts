// One REPL: a process of the node that belongs to one connection.
//
// - The process traps exits and keeps what it receives for `flush()` and `receive()`. It ends with the connection, and so
//   do its memberships, its watches and its timers; when it is killed, the connection ends.
// - Lines are evaluated one after the other: the next one waits until the promise of the one before has settled, or was
//   given up. Later errors of a line that was given up are printed like any error that nobody caught.
import { Console } from 'node:console';
import { Writable } from 'node:stream';
import {
  type Behaviour,
  Exit,
  type Node,
  type Pid,
  type Process,
  formatReason,
  isShutdown,
} from '../index.ts';
import { complete } from './complete.ts';
import type { Connection } from './server.ts';
import { contain, type ErrorSink, Maker } from './containment.ts';
import { Evaluator, Questions } from './evaluator.ts';
import { Fault, type Shell } from './shell.ts';
import { allHelpers } from './helpers/help.ts';
import { exitLine } from './helpers/processes.ts';
import { Inbox } from './helpers/messages.ts';
import { inspectNode, inspectRemote } from '../inspect/index.ts';
import {
  present,
  showError,
  showSyntaxError,
  showUncaught,
  showValue,
  type TextFormat,
  toJson,
  visible,
} from './show.ts';
import { type ClientMessage, type Hello, RESULT_TEXT_MAX, type ResultStatus } from './protocol.ts';

/** The settings that all REPLs of a server share. */
export interface SessionSettings {
  readonly node: Node;
  /** Variables besides the helpers, by name. */
  readonly variables: Readonly<Record<string, unknown>>;
  /** How long a line may run before its first `await`, in milliseconds. */
  readonly syncLimitMs: number;
  /** Gets the errors of REPLs that have ended. */
  readonly onOrphan: (error: unknown) => void;
  /** The connections of the node with others; undefined for a node that is alone. */
  readonly peers: Shell['peers'];
  /** Every client may only ask questions. */
  readonly readOnly: boolean;
}

/** How many lines may wait for the one that runs. */
export const LINES_WAITING_MAX = 100;

/** The longest text that is printed beside results, and of an error; what is longer is cut. */
const PRINT_TEXT_MAX = 1_048_576;

/** The message to the process of a REPL when its connection has ended. */
const CLOSED = Symbol('connection closed');

/** The process of a REPL. Its parent is the server: when that ends, so does the REPL. */
export const sessionBehaviour: Behaviour<Session, [Connection, Hello, SessionSettings, Pid]> = {
  name: 'repl',
  init: (self, connection, hello, settings, server) => new Session(self, connection, hello, settings, server),
  handle: (_self, message, session) => {
    session.received(message);
  },
};

type Line = Extract<ClientMessage, { type: 'eval' }>;

class Session {
  readonly #self: Process;
  readonly #connection: Connection;
  readonly #server: Pid;
  readonly #evaluator: Evaluator | Questions;
  readonly #inbox = new Inbox();
  readonly #shell: Shell;
  readonly #waiting: Line[] = [];
  #hello: Hello;
  #running = false;
  /** Of the line that runs. */
  #abort = new AbortController();

  constructor(self: Process, connection: Connection, hello: Hello, settings: SessionSettings, server: Pid) {
    this.#self = self;
    this.#connection = connection;
    this.#hello = hello;
    this.#server = server;
    const { node } = settings;
    const { target = '' } = hello;
    const readOnly = settings.readOnly || hello.readOnly === true || target !== '';
    const scriptName = `REPL${self.pid.toString()}`;
    const maker = new Maker(scriptName);
    this.#shell = {
      self,
      node,
      inbox: this.#inbox,
      signal: () => this.#abort.signal,
      announce: (line) => {
        this.#announce(line);
      },
      own:
        (code) =>
        (...args) =>
          maker.run(() => code(...args)),
      inspector:
        target === '' || target === node.name ? inspectNode(node, { readOnly }) : inspectRemote(node, target),
      json: hello.json,
      interactive: hello.interactive,
      peers: settings.peers,
    };
    const sink: ErrorSink = {
      scriptName,
      maker,
      uncaught: (error) => {
        this.#uncaught(error);
      },
    };
    // A REPL that only asks evaluates nothing, so there is nothing to contain.
    const evaluator = readOnly ? undefined : new Evaluator(sink, settings.syncLimitMs);
    this.#evaluator = evaluator ?? new Questions(this.#shell);
    if (evaluator !== undefined) this.#fillScope(settings);
    const release = evaluator === undefined ? () => undefined : contain(sink, settings.onOrphan);
    self.signal.addEventListener('abort', () => {
      this.#evaluator.close();
      this.#abort.abort(self.signal.reason);
      connection.bye(farewell(self));
      release();
    });
    const about = target === '' ? node.name : target;
    connection.send({ type: 'ready', repl: hello.repl, pid: self.pid.toString(), node: about });
    connection.use({
      onMessage: (message) => {
        this.#asked(message);
      },
      onClose: () => {
        if (self.alive) self.send(self.pid, CLOSED);
      },
    });
  }

  // ---- the process ----

  /** A message reached the process. */
  received(message: unknown): void {
    // Not `normal`: what is linked to the REPL ends with it.
    if (message === CLOSED) this.#self.exit('shutdown');
    if (message instanceof Exit) {
      if (message.from.equals(this.#server)) this.#self.exit(message.reason);
      if (message.reason !== 'normal') this.#announce(() => exitLine(message.from, message.reason));
    }
    const first = this.#inbox.length === 0;
    const kept = this.#inbox.push(message);
    if (kept && first && this.#hello.interactive && !(message instanceof Exit)) {
      this.#announce(() => '(a message has come: flush() shows it)');
    }
  }

  // ---- the client ----

  #asked(message: ClientMessage): void {
    switch (message.type) {
      case 'eval':
        if (this.#waiting.length >= LINES_WAITING_MAX) {
          this.#connection.bye(`more than ${LINES_WAITING_MAX} lines wait to be run`);
          return;
        }
        this.#waiting.push(message);
        if (!this.#running) void this.#run();
        break;
      case 'complete': {
        const asks = this.#evaluator instanceof Questions;
        const { names, on } = complete(message.line, this.#evaluator.variables, this.#shell, asks);
        this.#connection.send({ type: 'completions', id: message.id, names, on });
        break;
      }
      case 'resize':
        this.#hello = { ...this.#hello, columns: message.columns };
        break;
      case 'cancel':
        this.#abort.abort(new Fault('given up'));
        break;
    }
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (let line = this.#waiting.shift(); line !== undefined; line = this.#waiting.shift()) {
      // oxlint-disable-next-line no-await-in-loop
      await this.#evaluate(line);
    }
    this.#running = false;
  }

  async #evaluate({ id, code }: Line): Promise<void> {
    this.#abort = new AbortController();
    const answer = (status: ResultStatus, text: string): void => {
      this.#connection.send({ type: 'result', id, status, text });
    };
    const evaluation = this.#evaluator.run(code);
    if (evaluation.kind !== 'running') {
      const { kind, error } = evaluation;
      answer(kind === 'incomplete' ? 'incomplete' : 'error', showSyntaxError(error));
      return;
    }
    const outcome = await this.#outcomeOf(evaluation.value);
    evaluation.abandon();
    const { variables } = this.#evaluator;
    switch (outcome.kind) {
      case 'cancelled':
        answer('cancelled', '** given up; what it waited for goes on');
        break;
      case 'failed':
        variables['_error'] = outcome.error;
        answer(
          'error',
          this.#shown(() => showError(outcome.error, this.#hello)),
        );
        break;
      case 'done':
        if (outcome.value !== undefined) variables['_'] = outcome.value;
        this.#answerValue(outcome.value, answer);
        break;
    }
  }

  /** The outcome of a line, which may be that it was given up. */
  #outcomeOf(value: Promise<unknown>): Promise<Outcome> {
    const { signal } = this.#abort;
    return new Promise((resolve) => {
      let settled = false;
      const settle = (outcome: Outcome): void => {
        if (settled) {
          // The helper that the line waited for fails because the line was given up: that is known already.
          if (outcome.kind === 'failed' && !isCausedBy(outcome.error, signal)) this.#uncaught(outcome.error);
          return;
        }
        settled = true;
        resolve(outcome);
      };
      value.then(
        (result) => {
          settle({ kind: 'done', value: result });
        },
        (error: unknown) => {
          settle({ kind: 'failed', error });
        },
      );
      signal.addEventListener('abort', () => {
        settle({ kind: 'cancelled' });
      });
    });
  }

  #answerValue(value: unknown, answer: (status: ResultStatus, text: string) => void): void {
    let text: string;
    try {
      text = this.#evaluator.call(() => this.#textOf(value));
    } catch (error) {
      answer(
        'error',
        this.#shown(() => showError(error, this.#hello)),
      );
      return;
    }
    if (text.length <= RESULT_TEXT_MAX) answer('ok', text);
    else answer('error', `** the result has ${text.length} characters, more than ${RESULT_TEXT_MAX}`);
  }

  /** Makes a text with code of the REPL, which may throw, take long, and make a lot. */
  #shown(show: () => string): string {
    try {
      const text = this.#evaluator.call(show);
      return text.length <= PRINT_TEXT_MAX ? text : `${text.slice(0, PRINT_TEXT_MAX)}... (cut)`;
    } catch (error) {
      return error instanceof Fault
        ? `Uncaught [cannot be shown: ${error.message}]`
        : 'Uncaught [cannot be shown]';
    }
  }

  #textOf(value: unknown): string {
    const { json, interactive } = this.#hello;
    if (json) return toJson(value);
    if (value === undefined) return '';
    // Scripts get a text unquoted, as from node -p.
    return typeof value === 'string' && !interactive ? value : showValue(value, this.#hello);
  }

  // ---- printing ----

  #uncaught(error: unknown): void {
    this.#print('err', `${this.#shown(() => showUncaught(error, this.#hello))}\n`);
  }

  #announce(line: (format: TextFormat) => string): void {
    if (this.#connection.congested) this.#connection.leaveOut();
    else this.#print('out', `${line(this.#hello)}\n`);
  }

  #print(stream: 'out' | 'err', text: string): void {
    const shown = text.length <= PRINT_TEXT_MAX ? text : `${text.slice(0, PRINT_TEXT_MAX)}... (cut)\n`;
    this.#connection.send({ type: 'print', stream, text: shown });
  }

  #fillScope({ node, variables }: SessionSettings): void {
    const scope = this.#evaluator.variables;
    const output = (stream: 'out' | 'err'): Writable =>
      new Writable({
        decodeStrings: false,
        write: (chunk, _encoding, done) => {
          this.#print(stream, String(chunk));
          done();
        },
      });
    scope['console'] = new Console({
      stdout: output('out'),
      stderr: output('err'),
      colorMode: this.#hello.colour,
    });
    scope['node'] = present(node, () => `node ${node.name}, ${node.processes().length} processes`);
    const helpers = allHelpers(this.#shell, Object.keys(variables));
    for (const [name, { run }] of Object.entries(helpers)) {
      scope[name] = Object.defineProperty((...args: never[]) => run(...args), 'name', { value: name });
    }
    Object.assign(scope, variables);
  }
}

/** Why the process of a REPL has ended, for its client. */
function farewell(self: Process): string {
  const { reason } = self.signal as { reason: unknown };
  if (reason === 'normal' || isShutdown(reason)) return 'the application has ended this REPL';
  return `** (EXIT from ${self.pid.toString()}) ${visible(formatReason(reason))}`;
}

/** The outcome of a line. */
type Outcome =
  | { readonly kind: 'done'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'cancelled' };

function isCausedBy(error: unknown, signal: AbortSignal): boolean {
  try {
    return error === signal.reason || (error instanceof Error && error.cause === signal.reason);
  } catch {
    return false; // a proxy or a getter that throws
  }
}
