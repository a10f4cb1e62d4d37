/**
 * What runs in a supervisor's process: it starts the children, then handles one message after the other: requests, exits
 * of children, the exit of the parent, system messages.
 *
 * While it starts or stops a child it handles nothing else, as in OTP; a kill still ends it, and its children through their
 * links. It does not trust who asks: a wrong request is refused and never ends it.
 */
import { TroupeError } from '../errors.ts';
import { type Behaviour, isThenable } from '../process/behaviour.ts';
import { Exit } from '../process/messages.ts';
import type { Process } from '../process/process.ts';
import { Atom } from '../terms/atom.ts';
import { Call, Cast, RemoteCall, SYSTEM } from './call.ts';
import { Action } from './server-actions.ts';
import type { Startup } from './start.ts';
import { reportUnexpected } from './supervisor-report.ts';
import { type Answer, answer, refuse, type Supervisor, TryAgain } from './supervisor-state.ts';
import { childrenTerm, countsTerm } from './supervisor-terms.ts';
import { handleSystem, isParentExit } from './system.ts';

/** @internal Makes the state of a supervisor's process; or the action `ignore`, when its definition wants none. */
export type MakeSupervisor = (
  self: Process,
  parent: Startup['parent'],
  args: readonly unknown[],
) => Supervisor | Action;

/** @internal The behaviour of all processes of one definition. */
export class SupervisorBehaviour implements Behaviour<
  Supervisor,
  readonly [startup: Startup, ...args: readonly unknown[]]
> {
  readonly name: string;
  readonly #make: MakeSupervisor;

  constructor(name: string, make: MakeSupervisor) {
    this.name = name;
    this.#make = make;
  }

  async init(self: Process, startup: Startup, ...args: readonly unknown[]): Promise<Supervisor> {
    self.trapExit(true);
    const made = this.#make(self, startup.parent, args);
    if (made instanceof Action) return startup.ignore();
    await made.begin();
    startup.acknowledge();
    return made;
  }

  handle(self: Process, message: unknown, supervisor: Supervisor): Promise<void> | void {
    if (isParentExit(message, supervisor.parent)) return supervisor.terminate(self, message.reason);
    if (message instanceof Exit) return supervisor.ended(message.from, message.reason);
    if (message instanceof Call || message instanceof RemoteCall) return request(self, message, supervisor);
    if (message instanceof TryAgain) return supervisor.tryAgain(message.child);
    if (message instanceof Cast) {
      reportUnexpected(self, 'cast', { name: message.name, argument: message.argument });
    } else {
      reportUnexpected(self, 'info', message);
    }
  }
}

function request(self: Process, message: Call | RemoteCall, supervisor: Supervisor): Promise<void> | void {
  if (message.name === SYSTEM) return handleSystem(self, message, supervisor);
  const isRemote = message instanceof RemoteCall;
  if (message.name === 'which_children') {
    return message.reply(isRemote ? childrenTerm(supervisor.infos()) : [...supervisor.infos()]);
  }
  if (message.name === 'count_children') {
    return message.reply(isRemote ? countsTerm(supervisor.counts()) : supervisor.counts());
  }
  // An Erlang program may name a child by an atom.
  const argument = message.argument instanceof Atom ? message.argument.name : message.argument;
  let result: Promise<Answer> | Answer | undefined;
  try {
    result = supervisor.request(message.name, argument);
  } catch (error) {
    // Only the argument has been looked at so far: what is wrong with it is for who asks.
    return refuse(message, badArgument(message.name, error));
  }
  if (result === undefined) return unknown(self, message);
  if (!isThenable(result)) return answer(message, result);
  return result.then((value) => {
    answer(message, value);
  });
}

function badArgument(name: string, error: unknown): TroupeError {
  if (error instanceof TroupeError) return error;
  return new TroupeError('TROUPE_BAD_ARGUMENT', `${name} cannot read its argument.`, { cause: error });
}

function unknown(self: Process, message: Call | RemoteCall): void {
  const { name, argument } = message;
  reportUnexpected(self, 'call', { name, argument });
  refuse(
    message,
    new TroupeError('TROUPE_UNKNOWN_CALL', `Supervisors have no call '${name}'.`, {
      reason: ['unknown_call', name],
    }),
  );
}
