// What a kind of attack is. Each plays against a program of its own, while good clients use it; see `campaign.ts`.
import type { Service, ServiceOptions } from './lib/service.ts';

/** How much of an attack is played: all of it, or what a test has time for. */
export type Scale = 'full' | 'short';

export interface Kind {
  readonly name: string;
  /** What it does, for the list of kinds. */
  readonly title: string;
  /** Why it cannot be played here; undefined when it can. */
  readonly missing?: () => string | undefined;
  /** How the program is started. What it makes is removed by `cleanUp`, which is called in any case. */
  readonly prepare?: () => ServiceOptions;
  readonly cleanUp?: () => void;
  /**
   * Whether the service may answer good clients 503 meanwhile, or refuse their connections, too. It must lose nothing that it
   * has answered all the same.
   */
  readonly mayRefuse?: 'requests' | 'connections';
  /**
   * Attacks, in a bounded time.
   * @param broken called with each answer that a hostile client must not get
   */
  readonly play: (service: Service, scale: Scale, broken: (what: string) => void) => Promise<void>;
}
