/** The public entry point of the inspector: `import { ... } from 'troupe/inspect'`. */
import type { Node } from '../index.ts';
import type { Inspector } from './inspector.ts';
import { type InspectOptions, LocalInspector } from './local.ts';
import { RemoteInspector } from './remote.ts';

export type { Current, ProcessDetail } from './details.ts';
export type {
  ChannelRow,
  GroupsOptions,
  GroupSummary,
  Inspector,
  LoadFigures,
  MemberRow,
  NodeRow,
  Page,
  PageOptions,
  PeerRow,
  ProcessesOptions,
  ProcessSort,
  ProcessSummary,
  ScopeSummary,
  TraceTarget,
  TreeLine,
  TreeOptions,
  TreePageOptions,
  TreeRow,
} from './inspector.ts';
export type { InspectOptions } from './local.ts';
export type { BlockedRow, LoadPoint, ProcessFigures } from './measure.ts';
export { inspectServer, type InspectServerOptions } from './server.ts';
export type { TraceEnd, TraceEvent, TraceOptions, TraceSink } from './trace.ts';
export { sequenceChart, Trace } from './trace-stream.ts';

/**
 * An inspector of a node.
 * @param node the own node
 * @param options for the own node: whether it only looks
 */
export function inspectNode(node: Node, options: InspectOptions = {}): Inspector {
  return new LocalInspector(node, options);
}

/**
 * An inspector of another node, which must run `inspectServer`. What changes something is refused there, unless the server allows it.
 * @param here the own node
 * @param name the name of the other one
 */
export function inspectRemote(here: Node, name: string): Inspector {
  return new RemoteInspector(here, name);
}
