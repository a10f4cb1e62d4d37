// What the tests of this folder use besides its public names. Nothing in src/ imports it, and it is not in the package.
export { BusyWait } from './busy-wait.ts';
export { ASKED_EVERY_MS, CLUSTER, FIRST_ASKED_MS } from './cluster.ts';
export { Connector, type ConnectorOptions } from './connect/connector.ts';
export { Cookies } from './connect/cookie.ts';
export { digest, isDigest, makeChallenge } from './connect/digest.ts';
export { FLAGS, OWN_FLAGS, REQUIRED_FLAGS, flagNames, missingFlags } from './connect/flags.ts';
export { Acceptor, type Admission } from './connect/handshake-acceptor.ts';
export { Initiator } from './connect/handshake-initiator.ts';
export {
  isNodeName,
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
export type { HandshakeMachine, LocalNode, Step } from './connect/handshake.ts';
export { ATTEMPTS_MAX, DIALS_MAX, NODES_MAX, REST_MS, Redialler, STEADY_MS } from './connect/seeds.ts';
export { SecureIdentity, type TlsOptions, checkNodeHost } from './connect/tls.ts';
export type { EstablishedLink, PeerLink, Services, SpawnRequest } from './contracts.ts';
export { charactersOf } from './services/characters.ts';
export { type ServicesOptions, createServices } from './services/index.ts';
export { formatIo } from './services/io-format.ts';
export { MAX_TEXT } from './services/io.ts';
export { servicesOf } from './services/nodes.ts';
export { type Ticked, Ticks } from './ticks.ts';
export { ATOM_CACHE_ENTRIES, AtomCache } from './wire/atom-cache.ts';
export { ControlReader, type ControlSink } from './wire/control-reader.ts';
export { ControlWriter } from './wire/control-writer.ts';
export { type Assembled, Fragments } from './wire/fragments.ts';
export { DEFAULT_MAX_FRAME_BYTES, FrameReader, type FrameSink } from './wire/frames.ts';
export { Inbound } from './wire/inbound.ts';
export { MAX_LISTED, MAX_LISTS, ReceivedLists, SentLists } from './wire/multicast.ts';
export { FRAGMENT_BYTES, SendQueue } from './wire/send-queue.ts';
export { SentAtoms } from './wire/sent-atoms.ts';
export { defineRecord } from '../../records.ts';
