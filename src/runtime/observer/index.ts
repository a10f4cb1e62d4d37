/** The public entry point of the observer: `import { ... } from 'troupe/observer'`. */
export type {
  Act,
  Changes,
  FromPage,
  SessionStart,
  SessionState,
  TableChange,
  ToPage,
  TreeLine,
  Views,
} from './protocol.ts';
export { isFromHere } from './access.ts';
export { observer, type ObserverOptions } from './plugin.ts';
