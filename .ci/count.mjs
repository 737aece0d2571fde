// Prints `passed failed skipped` for a Vitest JSON report: `node .ci/count.mjs report.json status`.
// A suite that failed without a failed test in it counts as one failure, and so does a run that
// ended badly without saying why.

import { existsSync, readFileSync } from 'node:fs'

const [, , file = '', status = '1'] = process.argv
let passed = 0
let failed = 0
let skipped = 0
if (existsSync(file)) {
  const report = JSON.parse(readFileSync(file, 'utf8'))
  for (const suite of report.testResults) {
    const before = failed
    for (const test of suite.assertionResults) {
      if (test.status === 'passed') passed++
      else if (test.status === 'failed') failed++
      else skipped++
    }
    if (suite.status === 'failed' && failed === before) failed++
  }
}
if (failed === 0 && (status !== '0' || passed === 0)) failed = 1
console.log(passed, failed, skipped)
