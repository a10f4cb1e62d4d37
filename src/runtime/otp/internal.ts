// What the tests of this folder use besides its public names. Nothing in src/ imports it, and it is not in the package.
export { checkChildSpec, checkChildSpecs, checkFlags } from './child-spec.ts';
export { Cast, ForeignTag, RemoteCall, SYSTEM } from './gen.ts';
export { type Startup, startBehaviour } from './proc-lib.ts';
export { childrenToRestart, doAutoShutdown, doRestart, RestartWindow } from './restart.ts';
export { isShutdownError } from './shutdown.ts';
