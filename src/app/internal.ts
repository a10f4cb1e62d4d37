// What the tests use of this folder. Nothing in src/ imports it.
export { type App, createApp } from './app.ts';
export { ConfigError, type ConfigFault, loadConfig, settingNames } from './config.ts';
export { boundedLines } from './log-lines.ts';
export { LogOutput } from './log-output.ts';
export { holdErrors, logDatabase, logRuntime } from './logging.ts';
export { terminalLog } from './terminal.ts';
export { rootName } from './tree.ts';
