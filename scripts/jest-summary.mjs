/** Prints `N passed, N failed` as the last line; a test file that fails to load counts as failed. */
export default class JestSummary {
  onRunComplete(_contexts, results) {
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    const skipped = results.numPendingTests > 0 ? `, ${results.numPendingTests} skipped` : '';
    const line = `${results.numPassedTests} passed, ${failed} failed${skipped}\n`;
    process.once('exit', () => process.stdout.write(line));
  }
}
