// What the tests of this folder use besides its public names. Nothing in src/ imports it, and it is not in the package.
export { Cast, ForeignTag, RemoteCall, SYSTEM } from './call.ts';
export { type Startup, startBehaviour } from './start.ts';
export { RestartWindow } from './supervisor-intensity.ts';
export { checkChildSpec, checkChildSpecs, checkFlags } from './supervisor-spec.ts';
export { concerned, endsWith, fateOf, isShutdownFault } from './supervisor-strategy.ts';
