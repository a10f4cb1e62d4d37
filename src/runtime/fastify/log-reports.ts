/**
 * Failures of a node in the log of the application that runs on it: those that the program subscribes to nowhere, see
 * `process/report.ts`. An application without a logger leaves them to standard error.
 */
import type { FastifyBaseLogger } from 'fastify';
import { formatReason } from '../process/messages.ts';
import type { Node } from '../process/node.ts';
import { takeReports } from '../process/report.ts';

/** @internal Logs the failures of a node, until the function that it returns is called. */
export function logReports(node: Node, log: FastifyBaseLogger): () => void {
  // Without a logger Fastify has one whose methods are one that does nothing.
  if (log.error === log.info) return () => undefined;
  return takeReports(node, (text, { pid, label, name, reason, context, child }, leftOut) => {
    if (leftOut > 0) {
      log.error({ label, leftOut }, text);
      return;
    }
    const why = reason instanceof Error ? { err: reason } : { reason: formatReason(reason) };
    log.error({ process: pid.toString(), label, name, context, child, ...why }, text);
  });
}
