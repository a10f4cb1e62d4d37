// The application when something fails, stops or reaches a limit: requests, the supervision tree, the end. One PGlite serves
// all of these tests, each of which starts an application of its own on it; its start takes seconds.
import { afterAll, beforeAll, describe } from 'vitest';
import type { Database } from '../../src/app/database/internal.ts';
import { describeAccess } from './faults/access.cases.ts';
import { describeFaultyRequests } from './faults/requests.cases.ts';
import { describeLimits } from './faults/limits.cases.ts';
import { describeStop } from './faults/stop.cases.ts';
import { describeTree } from './faults/tree.cases.ts';
import { openPgliteForTests, type OpenedDatabase } from './support/faulty-database.ts';

let opened: OpenedDatabase;
beforeAll(async () => {
  opened = await openPgliteForTests();
});
afterAll(() => opened.remove());
const database = (): Database => opened.database;

describe('access', () => {
  describeAccess(database);
});
describe('faults', () => {
  describeFaultyRequests(database);
});
describe('the tree', () => {
  describeTree(database);
});
describe('the end', () => {
  describeStop(database);
});
describe('limits', () => {
  describeLimits(database);
});
