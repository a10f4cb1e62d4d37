// What the tests of this folder use besides its public names. Nothing in src/ imports it, and it is not in the package.
export { declareChannel, declaredForm, declareHeard, MAX_DECLARED, MAX_HEARD } from './channel-forms.ts';
export { Ahead, AHEAD_MAX, Published } from './durable/ahead.ts';
export { syncLimits } from './exchange.ts';
export {
  canonicalText,
  GroupTable,
  MAX_GROUP_DEPTH,
  MAX_GROUP_PARTS,
  MAX_GROUP_SIZE,
  ownName,
} from './group-table.ts';
export { Members } from './members.ts';
export {
  discover,
  join,
  leave,
  type NamedGroup,
  type PeerMessage,
  readEntry,
  readPeerMessage,
  sync,
} from './protocol.ts';
export { sliceLimits, Slices } from './slices.ts';
export * as protocol from './protocol.ts';
