import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readCheckDirectory } from '../../../../src/cli/checks/check-directory.ts'
import { type CheckedConfirmation, confirmChecked } from '../../../../src/cli/checks/confirm-checked.ts'
import type { CheckResult } from '../../../../src/cli/checks/run-check.ts'
import type { System } from '../../../../src/system/system.ts'
import { TrialRecords } from '../../../../src/trial/record/records.ts'
import { before, change, during, ID, machine, startedRecord, storedRecord } from '../../trial/machine.ts'

/** A machine whose running kernel is on trial, with these checks: programs for sh, or what stands in their place. */
function onTrial(checks: Readonly<Record<string, string>>, record = startedRecord()): System {
  const system = machine(before, { '/etc/linux-kexec/check.d': 'directory' })
  new TrialRecords(system).begin(record)
  change(system, during)
  for (const [name, body] of Object.entries(checks)) place(system, name, `#!/bin/sh\n${body}\n`)
  return system
}

function place(system: System, name: string, content: string, mode = 0o755): string {
  const path = join(system.root, 'etc/linux-kexec/check.d', name)
  writeFileSync(path, content)
  chmodSync(path, mode)
  return path
}

function run(system: System, options: Partial<CheckedConfirmation> = {}) {
  const log: string[] = []
  const guards = {
    release: () => void log.push(`release while ${storedRecord(system).state}`),
    fire: () => {
      throw new Error('only the command resets the machine')
    },
  }
  const checked = ({ name, passed }: CheckResult) => void log.push(`${name} ${passed ? 'passed' : 'failed'}`)
  const outcome = confirmChecked(system, { guards, limit: 20_000, checked, ...options })
  return { log, outcome }
}

test('the checks run in the order of their names, without arguments and input, and then the trial is confirmed', async () => {
  const system = onTrial({
    '20-second': '[ -e "$(dirname "$0")/../first" ] || exit 9',
    '10-first': `echo "$LINUX_KEXEC_TRIAL $# $PWD $(wc -c)"; echo trouble >&2; : > "$(dirname "$0")/../first"`,
  })
  const { log, outcome } = run(system)
  const { status, checks, failure } = await outcome
  expect(log).toEqual(['10-first passed', '20-second passed', 'release while started'])
  expect({ failure, outcome: status.outcome }).toEqual({ failure: null, outcome: 'confirmed' })
  expect(checks[0]).toMatchObject({ passed: true, exitStatus: 0, signal: null, timedOut: false, problem: null })
  expect(checks[0]?.output.split('\n').sort()).toEqual(['', `${ID} 0 / 0`, 'trouble'])
  expect(storedRecord(system).state).toBe('confirmed')
})

test('the first check that fails ends the trial; those behind it are not run, and no guard is released', async () => {
  const system = onTrial({ a: 'exit 0', b: 'echo no route >&2; exit 7', c: ': > "$(dirname "$0")/../c"' })
  const { log, outcome } = run(system)
  const { status, failure } = await outcome
  expect(log).toEqual(['a passed', 'b failed'])
  expect(failure).toMatchObject({
    reason: 'check-failed',
    refused: false,
    summary: 'the check b failed with status 7, and the trial has failed',
    evidence: [{ source: '/etc/linux-kexec/check.d/b', value: 'no route' }],
  })
  expect(status).toMatchObject({ outcome: 'failed', isRunning: true })
  expect(storedRecord(system)).toMatchObject({ state: 'failed', reason: 'The check b failed with status 7.' })
  expect(existsSync(join(system.root, 'etc/linux-kexec/c'))).toBe(false)
})

test.each([
  ['a signal', { content: '#!/bin/sh\nkill -SEGV $$\n' }, 'was ended by SIGSEGV'],
  ['a program without an interpreter', { content: '#!/nowhere/sh\n' }, 'could not be started (ENOENT)'],
  // execvp(3) gives a text without an interpreter to sh.
  ['a text without an interpreter', { content: 'exit 3\n' }, 'failed with status 3'],
])('%s is a failure', async (_, { content }, way) => {
  const system = onTrial({})
  place(system, 'check', content)
  const { failure } = await run(system).outcome
  expect(failure?.summary).toMatch(way)
  expect(storedRecord(system).state).toBe('failed')
})

test('a check that hangs is killed at its limit, with what it has started', async () => {
  const system = onTrial({ hang: 'echo begun; sleep 600 & echo $! > "$(dirname "$0")/../pid"; wait; exit 0' })
  const begin = performance.now()
  const { failure, checks } = await run(system, { limit: 1500 }).outcome
  expect(performance.now() - begin).toBeLessThan(15_000)
  expect(checks[0]).toMatchObject({ passed: false, timedOut: true, output: 'begun\n' })
  expect(failure?.summary).toMatch(/^the check hang took longer than \d+(\.\d)? s, and the trial has failed$/)
  const pid = readFileSync(join(system.root, 'etc/linux-kexec/pid'), 'utf8').trim()
  const state = () => {
    try {
      return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.[0]
    } catch {
      return 'gone'
    }
  }
  await expect.poll(state, { timeout: 10_000 }).toMatch(/^(?:gone|Z|X)$/)
})

test('no check may take longer than the trial has left; then the trial is expired or failed, and not confirmed', async () => {
  const system = onTrial({ hang: 'exec sleep 600' })
  change(system, { '/proc/uptime': { text: '119.00 1.00\n' } })
  const begin = performance.now()
  const { failure } = await run(system, { limit: 60_000 }).outcome
  expect(performance.now() - begin).toBeLessThan(15_000)
  expect(failure).toMatchObject({ reason: 'check-failed' })
  const late = onTrial({ a: `printf '120.00 1.00\\n' > "$(dirname "$0")/../../../proc/uptime"`, b: 'exit 0' })
  const { log, outcome } = run(late)
  await expect(outcome).rejects.toMatchObject({ reason: 'trial-state' })
  expect(log).toEqual(['a passed'])
  expect(storedRecord(late).state).toBe('expired')
})

test('much output is cut to its end; a program left in the background is not waited for', async () => {
  const system = onTrial({
    much: 'i=0; while [ $i -lt 4000 ]; do echo "line $i of a long output of a check"; i=$((i+1)); done',
    rest: 'sleep 20 & exit 0',
  })
  const begin = performance.now()
  const { checks, status } = await run(system).outcome
  expect(performance.now() - begin).toBeLessThan(15_000)
  expect(status.outcome).toBe('confirmed')
  expect(checks[0]?.output.length).toBe(16 * 1024)
  expect(checks[0]?.output.endsWith('line 3999 of a long output of a check\n')).toBe(true)
})

test('nothing is run for a trial that could not be confirmed, or is confirmed', async () => {
  const touch = { touch: ': > "$(dirname "$0")/../touched"' }
  const other = onTrial(touch)
  change(other, { '/proc/sys/kernel/osrelease': { text: '6.1.0\n' } })
  await expect(run(other).outcome).rejects.toMatchObject({ reason: 'not-the-trial' })
  const none = machine(before)
  await expect(run(none).outcome).rejects.toMatchObject({ reason: 'no-trial' })
  const confirmed = onTrial({})
  await run(confirmed).outcome
  place(confirmed, 'touch', `#!/bin/sh\n${touch.touch}\n`)
  expect(await run(confirmed).outcome).toMatchObject({ checks: [], status: { outcome: 'confirmed' } })
  for (const system of [other, confirmed]) expect(existsSync(join(system.root, 'etc/linux-kexec/touched'))).toBe(false)
})

test('the directory: what is run, what is skipped with a warning, what is not a check', async () => {
  const system = onTrial({ 'b-check': 'exit 0', 'a-check': 'exit 0' })
  place(system, 'no-program', '#!/bin/sh\nexit 1\n', 0o644)
  for (const name of ['.hidden', 'a-check~', 'a-check.dpkg-old', 'a-check.rpmsave'])
    place(system, name, '#!/bin/sh\nexit 1\n')
  mkdirSync(join(system.root, 'etc/linux-kexec/check.d/directory'))
  symlinkSync('/nowhere', join(system.root, 'etc/linux-kexec/check.d/link'))
  symlinkSync('b-check', join(system.root, 'etc/linux-kexec/check.d/c-link'))
  const expected = {
    path: '/etc/linux-kexec/check.d',
    programs: ['a-check', 'b-check', 'c-link'],
    skipped: ['link', 'no-program'],
  }
  expect(readCheckDirectory(system)).toEqual(expected)
  let found: unknown
  const { checks } = await run(system, {
    found: (directory) => {
      found = directory
    },
  }).outcome
  expect(found).toEqual(expected)
  expect(checks.map(({ name }) => name)).toEqual(expected.programs)
  expect(readCheckDirectory(machine(before))).toMatchObject({ programs: [], skipped: [] })
})
