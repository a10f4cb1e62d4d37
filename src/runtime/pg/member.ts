/**
 * A local process that is in at least one group of a scope.
 *
 * It is watched once, however many groups it is in: the watch is the member itself. Most processes are in one group, so
 * a Map of their groups is made with the second only.
 */
import type { ExitReason } from '../process/messages.ts';
import type { Watch } from '../process/monitor.ts';
import type { Process } from '../process/process.ts';
import type { Group, Membership } from './group.ts';

/** Who is told of the end of a member. */
export interface MemberKeeper {
  memberExited(member: Member): void;
}

/** A member of groups. */
export class Member implements Watch {
  readonly process: Process;
  readonly #keeper: MemberKeeper;
  #only: Membership | null = null;
  #many: Map<Group, Membership> | null = null;
  watched: Process | null = null;
  watchPrev: Watch | null = null;
  watchNext: Watch | null = null;

  constructor(process: Process, keeper: MemberKeeper) {
    this.process = process;
    this.#keeper = keeper;
  }

  targetExited(_reason: ExitReason): void {
    this.#keeper.memberExited(this);
  }

  /** True when it is in no group. */
  get idle(): boolean {
    return this.#only === null && (this.#many === null || this.#many.size === 0);
  }

  find(group: Group): Membership | undefined {
    if (this.#only !== null) return this.#only.group === group ? this.#only : undefined;
    return this.#many?.get(group);
  }

  add(membership: Membership): void {
    if (this.#many === null && this.#only === null) {
      this.#only = membership;
      return;
    }
    this.#many ??= new Map();
    if (this.#only !== null) this.#many.set(this.#only.group, this.#only);
    this.#only = null;
    this.#many.set(membership.group, membership);
  }

  remove(membership: Membership): void {
    if (this.#only === membership) this.#only = null;
    else this.#many?.delete(membership.group);
  }

  memberships(): Membership[] {
    return this.#only === null ? [...(this.#many?.values() ?? [])] : [this.#only];
  }
}
