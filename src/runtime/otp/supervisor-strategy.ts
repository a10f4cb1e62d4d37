/**
 * What a supervisor decides, as pure functions: whether a child that ended is started again, which others are concerned,
 * whether the supervisor ends with it, and which ends are faults.
 *
 * They follow `do_restart`, `restart`, `do_auto_shutdown` and `shutdown` of OTP's supervisor.erl.
 */
import { type ExitReason, isCleanExit, isShutdown } from '../process/messages.ts';
import type { AutoShutdown, FullChildSpec, Restart, Shutdown, Strategy } from './supervisor-spec.ts';

/** @internal What happens to a child that ended by itself. */
export interface Fate {
  readonly restart: boolean;
  /** Whether its end is reported. */
  readonly report: boolean;
}

/** @internal Decides about a child that ended by itself. See `do_restart/3`. */
export function fateOf(restart: Restart, reason: ExitReason): Fate {
  if (restart === 'permanent') return { restart: true, report: true };
  if (isCleanExit(reason)) return { restart: false, report: false };
  return { restart: restart === 'transient', report: true };
}

/**
 * @internal The children that a restart of one of them stops and starts again, in start order.
 * @param children all children, in start order.
 */
export function concerned<Child>(strategy: Strategy, children: readonly Child[], ended: Child): Child[] {
  if (strategy === 'one_for_all') return [...children];
  if (strategy === 'rest_for_one') return children.slice(children.indexOf(ended));
  return [ended];
}

/**
 * @internal Whether the supervisor ends because a child has ended by itself and is not started again.
 * @param significantLeft whether another significant child is running or about to be restarted.
 */
export function endsWith(
  autoShutdown: AutoShutdown,
  ended: Pick<FullChildSpec, 'significant'>,
  significantLeft: () => boolean,
): boolean {
  if (autoShutdown === 'never' || !ended.significant) return false;
  return autoShutdown === 'any_significant' || !significantLeft();
}

/** @internal Whether a child that its supervisor has stopped ended otherwise than it should. See `shutdown/1`. */
export function isShutdownFault(restart: Restart, shutdown: Shutdown, reason: ExitReason): boolean {
  if (reason === (shutdown === 'brutal_kill' ? 'killed' : 'shutdown')) return false;
  return restart === 'permanent' || !(reason === 'normal' || isShutdown(reason));
}
