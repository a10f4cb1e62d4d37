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
import { openOtp } from './lib/otp.mjs';
import { columns, number } from './lib/table.mjs';
import { calls } from './workloads/calls.mjs';
import { timerDelay } from './workloads/event-loop.mjs';
import { broadcast, joinLeaveOneGroup, joinLeaveOwnGroups } from './workloads/groups.mjs';
import { oneway, pingpong, ring } from './workloads/messages.mjs';
import { idleProcess, spawnExit } from './workloads/processes.mjs';

/**
 * @typedef {object} Workload
 * @property {string} name also that of OTP's side
 * @property {string} unit
 * @property {number} [asked] how many times OTP's figure; for memory, the share of it
 * @property {boolean} [less] whether less is better
 * @property {boolean} [alone] whether OTP has no such workload
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
];

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
const otp = values['no-otp'] === true ? undefined : openOtp();
const line = columns([22, 14, 14, 8, 8, 16]);
if (values.json !== true) {
  const beside = otp === undefined ? 'OTP: not compared' : `OTP ${otp.release}, one scheduler`;
  process.stdout.write(`Node.js ${process.version}; ${beside}; ${cpus()[0]?.model ?? 'unknown'}\n\n`);
  process.stdout.write(line('workload', 'Troupe', 'OTP', 'ratio', 'asked', 'unit'));
}
try {
  for (const workload of chosen) await measure(workload);
} finally {
  otp?.close();
}

/** @param {Workload} workload */
async function measure({ name, unit, asked, less, alone, run }) {
  const theirs = alone === true ? undefined : otp?.run(name);
  const ours = await run();
  const ratio = theirs === undefined ? undefined : ours / theirs;
  if (values.json === true) {
    process.stdout.write(`${JSON.stringify({ name, unit, troupe: ours, otp: theirs, ratio, asked })}\n`);
    return;
  }
  const goal = asked === undefined ? '' : `${less === true ? '≤' : '≥'} ${asked}`;
  process.stdout.write(line(name, number(ours), number(theirs), ratio?.toFixed(2) ?? '', goal, unit));
}
