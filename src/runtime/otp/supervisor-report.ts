/** What a supervisor publishes: OTP's progress and supervisor reports, as telemetry; failures that nobody hears are reported. */
import { type ExitReason, isCleanExit } from '../process/messages.ts';
import type { Pid } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import { reportFailure } from '../process/report.ts';
import { telemetry, type TelemetryName } from '../telemetry.ts';

const started = telemetry('troupe:supervisor:child_started');
const terminated = telemetry('troupe:supervisor:child_terminated');
const intensityReached = telemetry('troupe:supervisor:intensity_reached');
const unexpected = telemetry('troupe:server:unexpected');

/** @internal A child is up. @param restart whether it was there before. */
export function reportStarted(self: Process, id: string, pid: Pid, restart: boolean): void {
  if (started.hasSubscribers) {
    started.publish({ supervisor: self.pid, label: self.label, id, pid, restart });
  }
}

/** @internal A child has ended by itself, could not be started, or ended otherwise than it was told to. */
export function reportTerminated(
  self: Process,
  id: string,
  pid: Pid | undefined,
  reason: ExitReason,
  context: 'child_terminated' | 'start_error' | 'shutdown_error',
): void {
  if (terminated.hasSubscribers) {
    terminated.publish({ supervisor: self.pid, label: self.label, id, pid, reason, context });
  } else if (!isCleanExit(reason)) {
    report(self, 'troupe:supervisor:child_terminated', id, reason, context);
  }
}

/** @internal The supervisor gives up. @param id the child that ended last. */
export function reportIntensity(self: Process, id: string): void {
  if (intensityReached.hasSubscribers) {
    intensityReached.publish({ supervisor: self.pid, label: self.label, id });
  } else {
    report(self, 'troupe:supervisor:intensity_reached', id, 'shutdown', 'reached_max_restart_intensity');
  }
}

function report(
  self: Process,
  channel: TelemetryName,
  child: string,
  reason: ExitReason,
  context: string,
): void {
  const { pid, label, extra, node } = self;
  reportFailure(node, { kind: 'supervisor', channel, pid, label, name: extra?.name, reason, context, child });
}

/** @internal A message that no supervisor understands. */
export function reportUnexpected(self: Process, kind: 'call' | 'cast' | 'info', message: unknown): void {
  if (unexpected.hasSubscribers) unexpected.publish({ pid: self.pid, label: self.label, kind, message });
}
