/**
 * npm run bench: Troupe's workloads and, where `erl` is installed, OTP's for the same work, in turns within one run.
 *
 *   npm run bench                    all of them
 *   npm run bench -- ring broadcast  those whose name begins so
 *   npm run bench -- --no-otp        without OTP
 *   npm run bench -- --json          one JSON object a line
 *
 * A ratio of one run means something, a figure alone does not: machines differ, and so do days. OTP runs with one
 * scheduler, as Node.js has one thread.
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { PAIRS } from './lib/measure.mjs';
import { openOtp } from './lib/otp.mjs';
import { columns, number } from './lib/table.mjs';
import { calls } from './workloads/calls.mjs';
import { codecWorkloads } from './workloads/codec.mjs';
import { timerDelay } from './workloads/event-loop.mjs';
import { broadcast, joinLeaveOneGroup, joinLeaveOwnGroups } from './workloads/groups.mjs';
import { oneway, pingpong, ring } from './workloads/messages.mjs';
import {
  nodesBesideLarge,
  nodesBroadcast,
  nodesOneway,
  nodesPingpong,
  nodesSync,
} from './workloads/nodes.mjs';
import { idleProcess, spawnExit } from './workloads/processes.mjs';
import { socketWorkloads } from './workloads/sockets.mjs';

/**
 * @typedef {object} Workload
 * @property {string} name also that of OTP's side, unless `beside` says otherwise
 * @property {string} unit
 * @property {number} [asked] how many times the figure beside it; for memory, the share of it
 * @property {number} [limit] what is asked instead of a ratio
 * @property {boolean} [less] whether less is better
 * @property {string | { name: string, run: () => Promise<number> }} [beside] the name of OTP's side, or what else it is
 *   compared with
 * @property {boolean} [alone] whether it is compared with nothing
 * @property {number} [pairs] how often both are measured, in turns; the medians count. 5 by default, 1 where nothing is compared
 * @property {boolean} [needsOtp] whether OTP takes part
 * @property {() => Promise<number>} run
 */

/** @type {Workload[]} */
const workloads = [
  { name: 'oneway', unit: 'messages/s', asked: 3, run: () => oneway() },
  { name: 'pingpong', unit: 'round trips/s', asked: 3, run: () => pingpong() },
  { name: 'call', unit: 'calls/s', asked: 2, run: () => calls() },
  { name: 'spawn_exit', unit: 'processes/s', asked: 3, run: () => spawnExit() },
  { name: 'ring', unit: 'hops/s', asked: 3, run: () => ring() },
  ...[
    [10, 3],
    [100, 3],
    [1_000, 5],
    [10_000, 8],
    [100_000, 8],
  ].map(([members = 0, asked = 0]) => ({
    name: `broadcast_${members}`,
    unit: 'deliveries/s',
    asked,
    run: () => broadcast(members),
  })),
  { name: 'join_leave_own_groups', unit: 'operations/s', asked: 4, run: () => joinLeaveOwnGroups() },
  { name: 'join_leave_one_group', unit: 'operations/s', asked: 40, run: () => joinLeaveOneGroup() },
  { name: 'idle_process', unit: 'bytes', asked: 0.2, less: true, run: () => idleProcess() },
  { name: 'timer_delay_p99', unit: 'ms late', less: true, alone: true, run: () => timerDelay() },
  ...codecWorkloads,
  ...socketWorkloads,
  ...[
    { name: 'nodes_oneway', unit: 'messages/s', asked: 1, work: nodesOneway },
    { name: 'nodes_pingpong', unit: 'round trips/s', asked: 1, work: nodesPingpong },
    .../** @type {const} */ (['text', 'bytes']).flatMap((kind) =>
      /** @type {const} */ (['here', 'away']).flatMap((direction) =>
        [0.5, 0.99].map((part) => ({
          name: `nodes_beside_large_${kind}${direction === 'away' ? '_away' : ''}${part === 0.99 ? '_p99' : ''}`,
          unit: 'ms',
          less: true,
          ...(part === 0.5 ? { asked: 2 } : {}),
          pairs: 5,
          work: (folder) => nodesBesideLarge(folder, kind, direction, part),
        })),
      ),
    ),
    { name: 'nodes_broadcast_1000', unit: 'deliveries/s', asked: 50, otpAsked: 1, work: nodesBroadcast },
    { name: 'nodes_sync_10000_groups', unit: 'ms', less: true, asked: 5, work: nodesSync },
  ].flatMap(({ work, otpAsked, ...workload }) => [
    { ...workload, run: () => work(undefined) },
    {
      ...workload,
      ...(otpAsked === undefined ? {} : { asked: otpAsked }),
      name: `${workload.name}_to_otp`,
      beside: workload.name,
      needsOtp: true,
      run: () => work(otp?.folder),
    },
  ]),
];

/** How long the processors are looked at before a workload, in milliseconds, and the sum of their use from which it is a warning. */
const LOOK_MS = 200;
const BUSY_MAX = 0.3;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'no-otp': { type: 'boolean' }, json: { type: 'boolean' } },
});
const chosen = workloads.filter(
  ({ name }) => positionals.length === 0 || positionals.some((start) => name.startsWith(start)),
);
if (chosen.length === 0) {
  process.stderr.write(`No such workload. There are: ${workloads.map(({ name }) => name).join(', ')}\n`);
  process.exit(2);
}
const otp = values['no-otp'] === true ? undefined : await openOtp();
const line = columns([38, 14, 14, 8, 13, 8, 16, 10]);
if (values.json !== true) {
  const beside = otp === undefined ? 'OTP: not compared' : `OTP ${otp.release}, one scheduler`;
  process.stdout.write(`Node.js ${process.version}; ${beside}; ${cpus()[0]?.model ?? 'unknown'}\n\n`);
  process.stdout.write(line('workload', 'Troupe', 'beside', 'ratio', 'spread', 'asked', 'unit', ''));
}
try {
  for (const workload of chosen) await measure(workload);
} finally {
  otp?.close();
}

/** Says when another program takes the processor: what is measured then says little. Nothing of this one runs meanwhile. */
async function warnOfOthers() {
  const before = cpus();
  await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  const share = cpus().map(({ times }, index) => {
    const then = before[index]?.times ?? times;
    const spent = (/** @type {typeof times} */ all) =>
      Object.values(all).reduce((sum, part) => sum + part, 0);
    const total = spent(times) - spent(then);
    return total === 0 ? 0 : 1 - (times.idle - then.idle) / total;
  });
  const busy = share.reduce((sum, part) => sum + part, 0);
  if (busy < BUSY_MAX) return;
  process.stderr.write(`warning: other programs take ${busy.toFixed(1)} of ${share.length} processors\n`);
}

/** The one in the middle, the lower one of two. */
function median(figures) {
  return figures.toSorted((a, b) => a - b)[(figures.length - 1) >> 1];
}

/** @param {Workload} workload */
async function measure({ name, unit, asked, limit, less, alone, beside, pairs, needsOtp, run }) {
  if (needsOtp === true && otp === undefined) return;
  await warnOfOthers();
  const compared = alone !== true && (typeof beside === 'object' || otp !== undefined);
  const other = typeof beside === 'object' ? beside.name : 'OTP';
  const all = [];
  for (let pair = 0; pair < (pairs ?? (compared ? PAIRS : 1)); pair++) {
    let theirs;
    if (typeof beside === 'object') theirs = await beside.run();
    else if (alone !== true) theirs = otp?.run(beside ?? name);
    const ours = await run();
    all.push({ ours, theirs, ratio: theirs === undefined ? undefined : ours / theirs });
  }
  const ours = median(all.map((pair) => pair.ours));
  const theirs = median(all.map((pair) => pair.theirs));
  const ratios = all.flatMap((pair) => pair.ratio ?? []).toSorted((a, b) => a - b);
  const ratio = median(ratios);
  if (values.json === true) {
    const figures = { name, unit, troupe: ours, beside: other, other: theirs, ratio, ratios, asked, limit };
    process.stdout.write(`${JSON.stringify(figures)}\n`);
    return;
  }
  const sign = less === true ? '≤' : '≥';
  let goal = asked === undefined ? '' : `${sign} ${asked}`;
  if (limit !== undefined) goal = `${sign} ${limit} ${unit}`;
  process.stdout.write(
    line(
      name,
      number(ours),
      number(theirs),
      ratio?.toFixed(2) ?? '',
      ratios.length > 1 ? `${ratios[0].toFixed(2)}–${ratios.at(-1).toFixed(2)}` : '',
      goal,
      unit,
      theirs === undefined ? '' : other,
    ),
  );
}
