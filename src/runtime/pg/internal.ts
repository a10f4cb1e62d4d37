// What the tests of this folder use besides its public names. Nothing in src/ imports it, and it is not in the package.
export { MAX_DECLARED, MAX_HEARD, declareChannel, declareHeard, declaredForm } from './channel-forms.ts';
export { MAX_GROUP_DEPTH, MAX_GROUP_PARTS, MAX_GROUP_SIZE, canonicalText, ownName } from './group-table.ts';
export { syncLimits } from './exchange.ts';
export { GroupTable } from './group-table.ts';
export { Members } from './members.ts';
export {
  type NamedGroup,
  type PeerMessage,
  discover,
  join,
  leave,
  readEntry,
  readPeerMessage,
  sync,
} from './protocol.ts';
export { Slices, sliceLimits } from './slices.ts';
export * as protocol from './protocol.ts';
