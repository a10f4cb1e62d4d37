/** The public entry point of the runtime: `import { ... } from 'troupe'`. */
export type { Carrier, CarrierHost, CarrierPeer, Signal } from './process/carrier.ts';
export { type Backoff, backoffMs } from './backoff.ts';
export { type ErrorCode, errorAdvice, TroupeError } from './errors.ts';
export { call, type CallOptions, cast, type From } from './otp/gen.ts';
export { type Program, run, type RunOptions } from './otp/run.ts';
export {
  type Action,
  type ActionKind,
  fail,
  ignore,
  noReply,
  reply,
  started,
  stop,
  type Then,
  UNHANDLED,
} from './otp/actions.ts';
export { defineServer, type ServerDefinition } from './otp/server.ts';
export { NamedServer, ServerInstance, type ServerRef, serverRef } from './otp/ref.ts';
export type {
  AnyServerDefinition,
  Arrived,
  CallHandler,
  CallTable,
  CastHandler,
  CastOptions,
  CastTable,
  InfoHandler,
  ServerCallbacks,
} from './otp/server.ts';
export type { StartOptions } from './otp/proc-lib.ts';
export { stopProcess } from './otp/proc-lib.ts';
export {
  child,
  type ChildOptions,
  childProcess,
  type ChildProcessOptions,
  childTemplate,
} from './otp/child-spec.ts';
export type { ChildCounts, ChildId, ChildInfo } from './otp/child-spec.ts';
export {
  defineDynamicSupervisor,
  defineSupervisor,
  type DynamicSupervisorDefinition,
  type DynamicSupervisorOptions,
  type SupervisorDefinition,
  type SupervisorOptions,
} from './otp/supervisor.ts';
export {
  DynamicSupervisorInstance,
  type DynamicSupervisorRef,
  dynamicSupervisorRef,
  NamedDynamicSupervisor,
  type StartDynamicChildResult,
} from './otp/ref.ts';
export {
  type ChildResult,
  type ChildSpecResult,
  type DuplicateChild,
  type FailedChild,
  NamedSupervisor,
  type RestartChildResult,
  type StartChildOptions,
  type StartChildResult,
  type StartedChild,
  SupervisorInstance,
  type SupervisorRef,
  supervisorRef,
} from './otp/ref.ts';
export type {
  AutoShutdown,
  ChildPolicy,
  ChildSpec,
  ChildStarted,
  ChildTemplate,
  ChildType,
  FullChildSpec,
  Restart,
  Shutdown,
  Strategy,
  SupervisorFlags,
} from './otp/child-spec.ts';
export { supervisionTrees, type TreeNode, type TreeOptions } from './otp/tree.ts';
export * as sys from './otp/sys.ts';
export { Broadcast } from './pg/pubsub.ts';
export {
  type BroadcastOf,
  type Channel,
  type ChannelOptions,
  defineChannel,
  DurableChannel,
  type DurableOptions,
  on,
  type ReadonlyPayload,
  type TopicHandlers,
  type TopicOf,
} from './pg/channel.ts';
export { ChannelLive, type Followed, Follower, type FollowOptions } from './pg/durable/follower.ts';
export { channelLog, type ChannelLogOptions, ChannelReset } from './pg/durable/log.ts';
export { createMemoryStore, MemoryStore, MemoryTransaction } from './pg/durable/memory-store.ts';
export { type Cursor, formatCursor, parseCursor } from './pg/durable/store.ts';
export type {
  ChannelStore,
  EventPage,
  EventSource,
  Extent,
  NewEvent,
  ReadLimit,
  StoredEvent,
  TrimLimit,
} from './pg/durable/store.ts';
export { GroupJoined, GroupLeft } from './pg/scope.ts';
export * as pg from './pg/pg.ts';
export * as pubsub from './pg/pubsub.ts';
export type { Behaviour, Body, MailboxPolicy, ProcessFunction, SpawnOptions } from './process/behaviour.ts';
export type { Clock, ClockTimer, ClockUser } from './process/timers.ts';
export { systemClock } from './process/timers.ts';
export type { ProcessInfo } from './process/info.ts';
export {
  Down,
  Exit,
  type ExitReason,
  formatReason,
  isCleanExit,
  isShutdown,
  type MonitorTarget,
  NodeDown,
  NodeUp,
  ProcessExit,
  TIMEOUT,
} from './process/messages.ts';
export type { DemonitorOptions } from './process/monitor.ts';
export { type NodeStatistics, nodeStatistics } from './process/info.ts';
export { createNode, type Node, type NodeOptions } from './process/node.ts';
export { type Destination } from './process/destination.ts';
export type { Startable } from './process/behaviour.ts';
export { Pid } from './terms/identifiers.ts';
export type { MonitoredStart, Process } from './process/process.ts';
export { matching, type Matcher, type ReceiveOptions } from './process/receive.ts';
export { Ref } from './terms/identifiers.ts';
export type { TimerRef } from './process/timers.ts';
export {
  Atom,
  atom,
  AtomKeyed,
  atomKeys,
  BitString,
  Charlist,
  charlist,
  defineTerm,
  ErlMap,
  ExternalFunction,
  Float,
  float,
  ImproperList,
  NativeRecord,
  OpaqueFunction,
  Port,
  type TermForm,
  text,
  Tuple,
  tuple,
} from './terms/index.ts';
export { onTelemetry, type TelemetryEvents, type TelemetryName } from './telemetry.ts';
