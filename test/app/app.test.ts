// The application on both databases, over real connections. One application serves all the tests of a database: each
// leaves it as it was.
import { afterAll, beforeAll, describe } from 'vitest';
import { requirePart } from '../support/parts.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { describePages } from './http/pages.contract.ts';
import { describeRefusals } from './http/refusals.contract.ts';
import { describeRequests } from './http/requests.contract.ts';
import { describeSearch } from './indexer/search.contract.ts';
import { describeNotifications } from './notifications/notifications.contract.ts';
import { startTestApp, type TestApp } from './support/test-app.ts';

function describeApp(app: () => TestApp): void {
  describe('requests', () => {
    describeRequests(app);
  });
  describe('pages', () => {
    describePages(app);
  });
  describe('refusals', () => {
    describeRefusals(app);
  });
  describe('notifications', () => {
    describeNotifications(app);
  });
  describe('search', () => {
    describeSearch(app);
  });
}

describe('on PGlite', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app.stop());

  describeApp(() => app);
});

const part = requirePart('postgres');

describe.skipIf(part.missing)('on PostgreSQL', () => {
  let server: TestPostgres;
  let app: TestApp;
  beforeAll(async () => {
    server = await startPostgres();
    app = await startTestApp({ env: { DATABASE_URL: (await server.createDatabase()).url } });
  });
  afterAll(async () => {
    await app.stop();
    await server.remove();
  });

  describeApp(() => app);
});
