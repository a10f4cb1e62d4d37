/** Tells that something which another node has sent was left out. */
import type { Node } from '../../../process/node.ts';
import { telemetry } from '../../../telemetry.ts';

const dropped = telemetry('troupe:distribution:dropped');

/** Publishes what was left out. @param what for people; made only when somebody listens. */
export function publishDropped(node: Node, peer: string, what: () => string): void {
  if (dropped.hasSubscribers) dropped.publish({ node: node.name, peer, what: what() });
}
