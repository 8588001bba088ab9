#!/usr/bin/env node
// What .ci/run runs: lint, both prebuilt addons and their gate, the shim under sanitizers, the demo, `npm test` and fuzzing. Every
// step runs even when one before it failed, and each counts as one check beside the tests. Linting takes one processor and writes
// nothing, so it runs beside the builds, the demo and the first unit tests; tests and fuzzing take all processors by themselves.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { installFor, installPackages, requireNode, root, say } from './setup.mjs'

const summary = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/

requireNode()
// All that any step starts, at once: a step by itself tells what it lacks, and nobody is here to read it.
installFor('build', 'harness', 'tests', 'lint', 'native', 'arm64')
installPackages()

const failures = []
let passed = 0
const lint = check('lint', ['npm', 'run', '--silent', 'lint'], { shown: 'at its end' })
await check('the addon for x64 and arm64, through the gate', ['npm', 'run', '--silent', 'prebuild'])
await check('the shim under ASan and UBSan', ['npm', 'run', '--silent', 'test:native'])
await check('the demo', ['npm', 'run', '--silent', 'demo'])
const tests = await step('npm test', ['npm', 'test', '--silent'])
await lint
// A new seed each day, which fuzzing prints: with it a finding can be made again. On two processors it takes three minutes.
const today = new Date().toISOString().slice(0, 10).replaceAll('-', '')
await check('fuzzing', ['npm', 'run', '--silent', 'fuzz', '--', '--each', '5', '--seed', today])
const counts = summary.exec(tests.lastLine)
if (counts === null) failures.push('npm test (it did not come to its last line)')
const testsPassed = Number(counts?.[1] ?? 0)
const testsFailed = Number(counts?.[2] ?? 0)
if (tests.status !== 0 && testsFailed === 0) failures.push('npm test')

for (const failure of failures) console.log(`FAILED: ${failure}`)
console.log(`${passed + testsPassed} passed, ${failures.length + testsFailed} failed`)
process.exit(failures.length + testsFailed === 0 ? 0 : 1)

async function check(name, command, options) {
  const { status } = await step(name, command, options)
  if (status === 0) passed++
  else failures.push(name)
}

/** Runs a step. What it prints is shown at once, or when it ends: then another may run beside it. */
async function step(name, [program, ...args], { shown = 'at once' } = {}) {
  say(`${name}: ${[program, ...args].join(' ')}`)
  const started = performance.now()
  // With CI set, tests that something outside is missing for fail; otherwise they are left out.
  const env = { ...process.env, CI: process.env.CI || 'true', NO_COLOR: '1' }
  const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], env })
  let stdout = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text
    if (shown === 'at once') process.stdout.write(text)
  })
  const [status] = await once(child, 'close')
  if (shown !== 'at once') process.stdout.write(stdout)
  say(`${name}: ${status === 0 ? 'passed' : 'FAILED'} after ${Math.round((performance.now() - started) / 1000)} s`)
  return { status, lastLine: stdout.trimEnd().split('\n').at(-1) ?? '' }
}
