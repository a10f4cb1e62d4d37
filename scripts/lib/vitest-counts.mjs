// Reads how many tests passed, failed and were skipped from the report of vitest's json reporter.
import { existsSync, readFileSync } from 'node:fs';
import { Failure } from './run.mjs';

/**
 * @param {string} path of the report
 * @returns {{ passed: number, failed: number, skipped: number }}
 */
export function readCounts(path) {
  if (!existsSync(path)) throw new Failure('vitest has written no report: it did not get to its end');
  /** @type {Report} */
  const report = JSON.parse(readFileSync(path, 'utf8'));
  // A file that cannot be loaded has failed, but holds no test that could be counted.
  const brokenFiles = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((result) => result.status === 'failed'),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + brokenFiles.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/**
 * What is used of the report.
 * @typedef {object} Report
 * @property {number} numPassedTests
 * @property {number} numFailedTests
 * @property {number} numPendingTests
 * @property {number} numTodoTests
 * @property {Array<{ status: string, assertionResults: Array<{ status: string }> }>} testResults
 */
