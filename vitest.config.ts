// How the tests run: in forked processes, two at a time, every file of test/ that ends in .test.ts.
import { defineConfig } from 'vitest/config';

const source = (path: string) => `${import.meta.dirname}/src/runtime/${path}`;

export default defineConfig({
  resolve: {
    alias: [
      { find: /^troupe$/, replacement: source('index.ts') },
      { find: /^troupe\/client$/, replacement: source('client/index.ts') },
      { find: /^troupe\/inspect$/, replacement: source('inspect/index.ts') },
      { find: /^troupe\/fastify$/, replacement: source('fastify/index.ts') },
      { find: /^troupe\/erlang$/, replacement: source('distribution/erlang/index.ts') },
      { find: /^troupe\/observer$/, replacement: source('observer/index.ts') },
      { find: /^troupe\/log$/, replacement: source('log/index.ts') },
      { find: /^troupe\/otel$/, replacement: source('otel/index.ts') },
      { find: /^troupe\/repl$/, replacement: source('repl/index.ts') },
      { find: /^troupe\/testing$/, replacement: source('testing/index.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/support/quiet-reports.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    allowOnly: false,
    passWithNoTests: false,
  },
});
