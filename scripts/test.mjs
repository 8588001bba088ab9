#!/usr/bin/env node
// npm test [-- vitest arguments]
// Sets up what is missing, then runs all tests: unit tests here, and real kernels in QEMU. The whole run sits behind a
// seccomp filter that refuses kexec_load, kexec_file_load and reboot, so that no fault in a test can reach this machine.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fail, root, setUp } from './setup.mjs'

setUp({ jobs: ['tests'], architectures: ['arm64'] })
const results = join(root, 'build/test-results.json')
rmSync(results, { force: true })
const EPERM = '1'
const vitest = [process.execPath, join(root, 'node_modules/vitest/vitest.mjs'), 'run']
const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${results}`]
const guarded = [EPERM, '--', ...vitest, ...reporters, ...process.argv.slice(2)]
const { status } = spawnSync(join(root, 'build/Release/deny_kexec'), guarded, { cwd: root, stdio: 'inherit' })

if (!existsSync(results)) fail('The tests were stopped before their end: there are no results.')

const { numPassedTests, numFailedTests, numPendingTests, testResults } = JSON.parse(readFileSync(results, 'utf8'))
const seconds = ({ startTime, endTime }) => Math.round((endTime - startTime) / 1000)
const longest = testResults.toSorted((one, other) => seconds(other) - seconds(one)).slice(0, 20)
console.log('The files that took longest, in seconds; several ran at a time:')
for (const file of longest) console.log(`${String(seconds(file)).padStart(6)}  ${relative(root, file.name)}`)

// A file that fails before its tests begin counts as one failure, else it would count for nothing.
const brokenFiles = testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0).length
const failed = numFailedTests + brokenFiles
console.log(`${numPassedTests} passed, ${failed} failed${numPendingTests > 0 ? `, ${numPendingTests} skipped` : ''}`)
process.exit(status === 0 && failed === 0 && numPassedTests > 0 ? 0 : 1)
