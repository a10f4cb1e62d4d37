// What the tests of this folder use besides its public names. Nothing in src/ imports it, and it is not in the package.
export { Mailbox } from './mailbox.ts';
export { ProcessTable } from './process-table.ts';
export { takeReports } from './report.ts';
export { EMPTY } from './state.ts';
export { coarseNow } from './timers.ts';
