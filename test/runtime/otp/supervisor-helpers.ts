// What the tests of supervisors share: children that end on request, ways to end them, a view of a supervisor.
import {
  type Behaviour,
  type ChildOptions,
  childProcess,
  type ChildSpec,
  type ExitReason,
  type Node,
  type Pid,
  type SupervisorRef,
} from 'troupe';

/** Ends with the reason that it is sent. */
export const worker: Behaviour = {
  name: 'worker',
  init: () => undefined,
  handle(self, message) {
    self.exit((message as EndWith).reason);
  },
};

class EndWith {
  readonly reason: ExitReason;

  constructor(reason: ExitReason) {
    this.reason = reason;
  }
}

/** Lets a worker end with a reason, by its own code; `killed` by a kill. */
export function end(node: Node, pid: Pid, reason: ExitReason): void {
  if (reason === 'killed') node.exit(pid, 'kill');
  else node.send(pid, new EndWith(reason));
}

/** A worker as a child. */
export function workerChild(id: string, options: ChildOptions = {}): ChildSpec<Pid> {
  return childProcess(worker, [], { id, ...options });
}

/** The ids of the children in order, each with its pid, or its status when it has none. */
export async function look(supervisor: SupervisorRef): Promise<Array<[id: string, pid: string]>> {
  const children = await supervisor.whichChildren();
  return children.map(({ id, pid, status }) => [String(id), pid?.toString() ?? status]);
}

/** The pid of a child that must be running. */
export async function pidOf(supervisor: SupervisorRef, id: string): Promise<Pid> {
  const found = (await supervisor.whichChildren()).find((child) => child.id === id);
  if (found?.pid === undefined) throw new Error(`${id} is ${found?.status ?? 'no child'}`);
  return found.pid;
}
