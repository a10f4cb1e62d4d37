// What the tests of this folder use besides its public names. Nothing in src/ imports it, and it is not in the package.
export { Connector, type ConnectorOptions, type EstablishedConnection } from './connect/connector.ts';
export {
  Cookies,
  SecureIdentity,
  type TlsOptions,
  checkNodeHost,
  digest,
  isDigest,
  makeChallenge,
} from './connect/credentials.ts';
export {
  FLAGS,
  OWN_FLAGS,
  REQUIRED_FLAGS,
  flagNames,
  isNodeName,
  missingFlags,
  readChallenge,
  readName,
  readReply,
  readStatus,
  writeAck,
  writeChallenge,
  writeName,
  writeReply,
  writeStatus,
} from './connect/handshake-messages.ts';
export {
  Acceptor,
  type Admission,
  type HandshakeMachine,
  Initiator,
  type LocalNode,
  type Step,
} from './connect/handshake.ts';
export { BusyWait, type Ticked, Ticks } from './keep-alive.ts';
export {
  ASKED_EVERY_MS,
  ATTEMPTS_MAX,
  CLUSTER,
  DIALS_MAX,
  FIRST_ASKED_MS,
  NODES_MAX,
  REST_MS,
  Redialler,
  STEADY_MS,
} from './services/cluster.ts';
export { spawnClientOf } from './services/erpc.ts';
export {
  type PeerConnection,
  type Services,
  type ServicesOptions,
  createServices,
} from './services/index.ts';
export { MAX_TEXT, charactersOf, formatIo } from './services/io.ts';
export { ATOM_CACHE_ENTRIES, AtomCache } from './wire/atom-cache.ts';
export { Arrivals, type ControlSink } from './wire/arrivals.ts';
export type { SpawnRequest } from './wire/control.ts';
export { ControlReader } from './wire/control-reader.ts';
export { ControlWriter } from './wire/control-writer.ts';
export { type Assembled, Fragments, spares } from './wire/frames.ts';
export { DEFAULT_MAX_FRAME_BYTES, FrameReader, type FrameSink, Unfinished } from './wire/frames.ts';
export { Inbound } from './wire/inbound.ts';
export { MAX_LISTED, MAX_LISTS, ReceivedLists, SentLists } from './wire/multicast.ts';
export { FRAGMENT_BYTES, SendQueue } from './wire/send-queue.ts';
export { SentAtoms } from './wire/atom-cache.ts';
export { Messages, messageWriter } from '../messages.ts';
