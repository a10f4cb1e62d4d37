// What the tests of this folder use besides its public names. Nothing in src/ imports it, and it is not in the package.
export { Epmd, type EpmdOptions } from './epmd.ts';
export {
  type Entry,
  Gathered,
  REQUEST_MAX_BYTES,
  type Request,
  decodeLookupAnswer,
  decodeNamesAnswer,
  decodeRegisterAnswer,
  decodeRequest,
  encodeLookupAnswer,
  encodeNamesAnswer,
  encodeRegisterAnswer,
  encodeRequest,
  entryOf,
  isLoopback,
  isName,
  splitNodeName,
} from './protocol.ts';
export { EpmdServer, type EpmdServerOptions, NameTable } from './server.ts';
