/**
 * The entry point `troupe/erlang`: the carrier for Erlang's distribution protocol, terms as bytes, and calls of functions on other
 * nodes.
 */
export { decodeTerm, encodeTerm, type DecodeOptions } from './codec.ts';
export type { DecodeLimits } from '../etf/reader.ts';
export type { EncodeLimits } from '../etf/writer.ts';
export type { EpmdMode } from '../epmd/epmd.ts';
export { createErlangCarrier, type ErlangCarrier } from './carrier.ts';
export { type TlsOptions, readCookieFile } from './connect/credentials.ts';
export type { ErlangCarrierOptions, SendQueueOptions } from './options.ts';
export type { FaultCounts, PeerInfo, PeerTraffic } from './line.ts';
export { type ErpcFailure, erpc } from './services/erpc.ts';
export { exposeFunction, type ExposedFunction, type ExposedModules } from './services/executor.ts';
export { ping } from './services/service-process.ts';
