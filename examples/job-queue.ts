// A job queue: workers under a supervisor take jobs from a server. A worker that crashes is restarted and its job tried again, three times
// in all, later each time. `drain` finishes what was accepted and takes nothing new. Run it with `npx tsx examples/job-queue.ts`.
import {
  call,
  child,
  childProcess,
  createNode,
  defineServer,
  defineSupervisor,
  Down,
  type From,
  noReply,
  onTelemetry,
  type Process,
  type Ref,
  serverRef,
  UNHANDLED,
} from 'troupe';

interface Job {
  readonly name: string;
  readonly attempt: number;
}

const ATTEMPTS_MAX = 3;
const BACKOFF_MS = 10;
const WORKERS = 2;

class Queue {
  readonly waiting: Job[] = [];
  /** Workers with nothing to do: their calls are answered when there is a job. */
  readonly idle: Array<From<Job>> = [];
  /** Jobs under way, by the monitor of their worker. */
  readonly running = new Map<Ref, Job>();
  readonly done: string[] = [];
  readonly failed: string[] = [];
  /** Jobs that wait for their next attempt. */
  delayed = 0;
  drained: From<Result> | undefined = undefined;
}

interface Result {
  readonly done: readonly string[];
  readonly failed: readonly string[];
}

class Retry {
  readonly job: Job;
  constructor(job: Job) {
    this.job = job;
  }
}

const queue = defineServer({
  name: 'queue',
  init: () => new Queue(),
  call: {
    add(state, name: string, self) {
      if (state.drained !== undefined) return 'draining';
      state.waiting.push({ name, attempt: 1 });
      dispatch(state, self);
      return 'accepted';
    },
    /** Answered later, by `dispatch`. */
    take(state, _argument: undefined, self, from: From<Job>) {
      state.idle.push(from);
      dispatch(state, self);
      return noReply();
    },
    finish(state, ref: Ref, self) {
      const job = state.running.get(ref);
      if (job === undefined) return false;
      self.demonitor(ref, { flush: true });
      state.running.delete(ref);
      state.done.push(`${job.name} (attempt ${job.attempt})`);
      settle(state);
      return true;
    },
    drain(state, _argument: undefined, _self, from: From<Result>) {
      state.drained = from;
      settle(state);
      return noReply();
    },
  },
  info(state, message, self) {
    if (message instanceof Down) lost(state, message, self);
    else if (message instanceof Retry) retry(state, message, self);
    else return UNHANDLED;
    return undefined;
  },
});

/** Gives waiting jobs to idle workers, and watches them. */
function dispatch(state: Queue, self: Process): void {
  while (state.waiting.length > 0 && state.idle.length > 0) {
    const [job, from] = [state.waiting.shift()!, state.idle.shift()!];
    const ref = self.monitor(from.pid);
    state.running.set(ref, job);
    from.reply({ ...job, ref } as Job & { ref: Ref });
  }
}

/** A worker ended in the middle of a job. */
function lost(state: Queue, { ref }: Down, self: Process): void {
  const job = state.running.get(ref);
  if (job === undefined) return;
  state.running.delete(ref);
  if (job.attempt === ATTEMPTS_MAX) {
    state.failed.push(job.name);
    settle(state);
    return;
  }
  state.delayed++;
  const next = { ...job, attempt: job.attempt + 1 };
  self.sendAfter(BACKOFF_MS * 2 ** job.attempt, self.pid, new Retry(next));
}

function retry(state: Queue, { job }: Retry, self: Process): void {
  state.delayed--;
  state.waiting.push(job);
  dispatch(state, self);
}

/** Answers `drain` once nothing is left. */
function settle(state: Queue): void {
  if (state.drained === undefined || state.waiting.length + state.running.size + state.delayed > 0) return;
  state.drained.reply({ done: state.done, failed: state.failed });
}

/** A worker: one job after the other, for ever. What the job throws ends it, and its supervisor starts another. */
async function worker(self: Process, work: (job: Job) => Promise<void>): Promise<void> {
  for (;;) {
    const options = { timeoutMs: Infinity, from: self };
    const job = (await call(self.node, 'queue', 'take', undefined, options)) as Job & { ref: Ref };
    await work(job);
    await call(self.node, 'queue', 'finish', job.ref, options);
  }
}

const tree = defineSupervisor({
  strategy: 'one_for_one',
  intensity: 20,
  children: (work: (job: Job) => Promise<void>) => [
    child(queue, [], { id: 'queue', name: 'queue' }),
    ...Array.from({ length: WORKERS }, (_, index) => childProcess(worker, [work], { id: `worker ${index}` })),
  ],
});

// The work: one job fails at first, one always.
const work = async ({ name, attempt }: Job): Promise<void> => {
  await Promise.resolve();
  if (name === 'unlucky' && attempt < 3) throw new Error('not yet');
  if (name === 'broken') throw new Error('never');
};

onTelemetry('troupe:process:crash', () => undefined); // the crashes are part of the show: no report of each
onTelemetry('troupe:supervisor:child_terminated', () => undefined);
const node = createNode();
const supervisor = await node.start(tree, [work]);
const jobs = serverRef(node, queue, 'queue');
for (const name of ['first', 'unlucky', 'second', 'broken']) console.log(name, await jobs.call('add', name));
const draining = jobs.call('drain', undefined, { timeoutMs: 10_000 });
console.log('late', await jobs.call('add', 'late'));
const { done, failed } = await draining;
console.log('done:', done.toSorted().join(', '));
console.log('failed:', failed.join(', '));
await supervisor.stop();

// Prints:
// first accepted
// unlucky accepted
// second accepted
// broken accepted
// late draining
// done: first (attempt 1), second (attempt 1), unlucky (attempt 3)
// failed: broken
