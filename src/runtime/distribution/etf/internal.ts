// What the tests of this folder use besides its public names. Nothing in src/ imports it, and it is not in the package.
export { ByteWriter } from './scalar-writer.ts';
export { TermReader } from './reader.ts';
export { MESSAGE_VALUES, SlicingReader, TOO_DEEP, type Wanted } from './slicing-reader.ts';
export { TermWriter, defaultEncodeLimits } from './writer.ts';
export { EtfError } from './tags.ts';
