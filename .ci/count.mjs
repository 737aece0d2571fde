// Reads a Vitest JSON report: `node .ci/count.mjs report.json status`. Prints `passed failed
// skipped`, then a few lines for each failure. A suite that failed without a failed test in it
// counts as one failure, and so does a run that ended badly without saying why.

import { existsSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'

const MESSAGE_LINES = 6 // of each failure

const [, , file = '', status = '1'] = process.argv
let passed = 0
let skipped = 0
const failures = []

const failure = (name, message = '') =>
  failures.push([name, ...message.trim().split('\n').slice(0, MESSAGE_LINES)].join('\n    '))

if (existsSync(file)) {
  const report = JSON.parse(readFileSync(file, 'utf8'))
  for (const suite of report.testResults) {
    const before = failures.length
    const path = relative(process.cwd(), suite.name)
    for (const test of suite.assertionResults) {
      if (test.status === 'passed') passed++
      else if (test.status !== 'failed') skipped++
      else failure(`${path} > ${test.fullName}`, test.failureMessages?.join('\n'))
    }
    if (suite.status === 'failed' && failures.length === before) failure(path, suite.message)
  }
}
if (failures.length === 0 && (status !== '0' || passed === 0)) {
  failure(`the run ended with status ${status}, after ${passed} tests that passed`)
}
console.log(passed, failures.length, skipped)
for (const text of failures) console.log(text)
