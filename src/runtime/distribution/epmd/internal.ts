// What the tests of this folder use besides its public names. Nothing in src/ imports it, and it is not in the package.
export { Epmd, type EpmdOptions } from './epmd.ts';
export { Gathered } from './gathered.ts';
export { isLoopback, splitNodeName } from './node-name.ts';
export {
  type Entry,
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
  isName,
} from './protocol.ts';
export { Registry } from './registry.ts';
export { EpmdServer, type EpmdServerOptions } from './server.ts';
