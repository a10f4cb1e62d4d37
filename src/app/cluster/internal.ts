// What the tests use of this folder. Nothing in src/ imports it.
export { type ClusterCarrier, openCarrier } from './carrier.ts';
export { readClusterFiles } from './files.ts';
export { type ClusterSettings, clusterVariables } from './settings.ts';
export { Strangers } from './strangers.ts';
