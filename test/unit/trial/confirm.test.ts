import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Lock } from '../../../src/state/lock.ts'
import type { System } from '../../../src/system/system.ts'
import { cancelTrial } from '../../../src/trial/cancel.ts'
import { confirmTrial, failTrial } from '../../../src/trial/confirm.ts'
import type { TrialGuards, TrialRecord } from '../../../src/trial/model/trial.ts'
import { advance } from '../../../src/trial/record/advance.ts'
import { trialStatus } from '../../../src/trial/status.ts'
import type { Tree } from '../entries/tree.ts'
import {
  after,
  before,
  change,
  during,
  ID,
  machine,
  newer,
  RECORD,
  recorded,
  startedRecord,
  storedRecord,
  trialRecord,
  watchdogGuard,
} from './machine.ts'

const at = new Date('2026-11-30T08:00:00Z')
const guards: TrialGuards = { panic: 10, watchdog: watchdogGuard, deadman: true }

const confirmed = advance(startedRecord(), 'confirmed', { at })

/** Fails the test when it is called. */
const never = () => {
  throw new Error('this must not be called')
}

test('the running kernel of the trial is confirmed: its guards are released once, before the record says so', () => {
  const system = recorded(startedRecord({ guards }), during)
  const released: unknown[] = []
  const release = (given: TrialGuards) => {
    released.push(given)
    expect(storedRecord(system).state).toBe('started')
  }
  expect(confirmTrial(system, { release })).toMatchObject({ outcome: 'confirmed', isRunning: true, timeLeft: null })
  expect(released).toEqual([guards])
  expect(storedRecord(system)).toMatchObject({
    state: 'confirmed',
    reason: null,
    times: { confirmed: expect.any(String) },
  })
  expect(confirmTrial(system, { release: never })).toMatchObject({ outcome: 'confirmed' })
})

test('a process that ends between the release and the record leaves an unguarded machine that says it is on trial', () => {
  const system = recorded(startedRecord({ guards }), during)
  let interrupted: System | undefined
  confirmTrial(system, {
    release: () => {
      // All that is on the disk at this moment.
      const copy = machine(during)
      cpSync(join(system.root, 'var'), join(copy.root, 'var'), { recursive: true })
      interrupted = copy
    },
  })
  const then = interrupted as System
  expect(trialStatus(then)).toMatchObject({ outcome: 'running' })
  change(then, { '/proc/uptime': { text: '500.00 1.00\n' } })
  expect(trialStatus(then)).toMatchObject({ outcome: 'expired', isRunning: true })
  change(then, during)
  expect(confirmTrial(then, { release: () => {} })).toMatchObject({ outcome: 'confirmed' })
})

test('a guard that cannot be released leaves the trial as it was', () => {
  const system = recorded(startedRecord({ guards }), during)
  const failure = new Error('the watchdog cannot be stopped')
  const release = () => {
    throw failure
  }
  expect(() => confirmTrial(system, { release })).toThrow(failure)
  expect(storedRecord(system)).toEqual(startedRecord({ guards }))
  expect(trialStatus(system).outcome).toBe('running')
})

test('a kernel that was started by other means is confirmed too; its start is that of the running kernel', () => {
  for (const state of ['planned', 'loaded'] as const) {
    const system = recorded(trialRecord({ state }), during)
    confirmTrial(system, { release: () => {} })
    const { times } = storedRecord(system)
    const ran = Date.parse(times.confirmed as string) - Date.parse(times.started as string)
    expect(ran).toBeGreaterThanOrEqual(19_000)
    expect(ran).toBeLessThan(25_000)
  }
})

test.each<[string, TrialRecord | null, Tree, string, string | RegExp]>([
  ['no record', null, after, 'no-trial', 'there is no trial'],
  ['no record of the running trial', null, during, 'trial-record', `on trial ${ID}, and there is no record of it`],
  ['loaded', trialRecord(), before, 'trial-state', 'does not run yet: it is loaded'],
  ['taken back', startedRecord(), after, 'not-the-trial', 'was taken back: another kernel is running'],
  ['confirmed, and rebooted since', confirmed, after, 'no-trial', 'is over: it is confirmed'],
  ['failed', advance(startedRecord(), 'failed', { reason: 'x', at }), during, 'trial-state', 'is over: it is failed'],
  ['cancelled', advance(trialRecord(), 'cancelled', { at }), during, 'trial-state', 'is over: it is cancelled'],
  [
    'another release',
    startedRecord(),
    { ...during, '/proc/sys/kernel/osrelease': { text: '6.1.0\n' } },
    'not-the-trial',
    /is not the one/,
  ],
  [
    'another command line',
    startedRecord(),
    { ...during, '/proc/cmdline': { text: `quiet linux_kexec.trial=${ID}\n` } },
    'not-the-trial',
    /is not the one/,
  ],
  [
    'too late',
    startedRecord(),
    { ...during, '/proc/uptime': { text: '120.01 1.00\n' } },
    'trial-state',
    'is over: it is expired',
  ],
  [
    'an unknown time',
    startedRecord(),
    { ...during, '/proc/uptime': { text: '' } },
    'not-readable',
    'how long the running kernel has run is unknown',
  ],
])('%s: not confirmed, and no guard is released', (_, record, tree, reason, message) => {
  const system = record === null ? machine(tree) : recorded(record, tree)
  expect(() => confirmTrial(system, { release: never })).toThrow(
    expect.objectContaining({ reason, refused: true, summary: expect.stringMatching(message) }),
  )
  const late = typeof message === 'string' && message.includes('expired')
  if (record !== null) expect(storedRecord(system).state).toBe(late ? 'expired' : record.state)
})

test('the evidence names each difference', () => {
  const system = recorded(startedRecord(), during, {
    '/proc/sys/kernel/osrelease': { text: '6.1.0\n' },
    '/proc/cmdline': { text: `root=/dev/vda1 ro debug panic=10 linux_kexec.trial=${ID}\n` },
  })
  expect(() => confirmTrial(system, { release: never })).toThrow(
    expect.objectContaining({
      evidence: [
        { source: join(system.root, RECORD), value: 'started since 2026-11-30T07:01:00.000Z' },
        { source: '/proc/sys/kernel/osrelease', value: `is 6.1.0 instead of ${newer}` },
        { source: '/proc/cmdline', value: 'does not have quiet' },
        { source: '/proc/cmdline', value: 'has debug, which the trial does not have' },
      ],
    }),
  )
})

test('a damaged record confirms nothing and stays as it is', () => {
  const system = machine(during, { [RECORD]: { text: '{"schemaVersion":1' } })
  expect(() => confirmTrial(system, { release: never })).toThrow(expect.objectContaining({ reason: 'trial-record' }))
  expect(readFileSync(join(system.root, RECORD), 'utf8')).toBe('{"schemaVersion":1')
})

test('a trial whose time runs out while the record is written is not confirmed', () => {
  const system = recorded(startedRecord({ guards }), during)
  const readText = system.readText.bind(system)
  let reads = 0
  // The clock goes on between the check and the release.
  system.readText = (path) => (path === '/proc/uptime' && ++reads > 1 ? '120.00 1.00\n' : readText(path))
  expect(() => confirmTrial(system, { release: never })).toThrow(expect.objectContaining({ reason: 'trial-state' }))
  expect(storedRecord(system).state).toBe('started')
})

test('a failed check ends the running trial, with its reason; nothing else can be failed', () => {
  const system = recorded(startedRecord(), during)
  expect(failTrial(system, 'The check net failed.')).toMatchObject({ outcome: 'failed', isRunning: true })
  expect(storedRecord(system)).toMatchObject({ state: 'failed', reason: 'The check net failed.' })
  expect(() => failTrial(system, 'again')).toThrow(expect.objectContaining({ reason: 'trial-state' }))
  expect(() => failTrial(recorded(startedRecord(), after), 'x')).toThrow(
    expect.objectContaining({ reason: 'not-the-trial' }),
  )
})

test('a trial is cancelled before its kernel runs, once the kernel is unloaded', () => {
  for (const record of [trialRecord({ state: 'planned' }), trialRecord(), startedRecord()]) {
    const system = recorded(record, before)
    const unloaded: unknown[] = []
    const unload = (given: TrialRecord) => {
      unloaded.push(given)
      expect(storedRecord(system).state).toBe(record.state)
    }
    expect(cancelTrial(system, { reason: 'Not today.', unload })).toMatchObject({ outcome: 'cancelled' })
    expect(unloaded).toEqual([record])
    expect(storedRecord(system)).toMatchObject({ state: 'cancelled', reason: 'Not today.' })
    expect(() => cancelTrial(system, { reason: 'x', unload: never })).toThrow(
      expect.objectContaining({ reason: 'no-trial' }),
    )
  }
})

test.each<[string, TrialRecord | null, Tree, string, string]>([
  ['running', startedRecord(), during, 'trial-state', 'it ends when it is confirmed, or with a reset'],
  ['taken back', startedRecord(), after, 'no-trial', 'was taken back'],
  ['confirmed', confirmed, during, 'trial-state', 'is over: it is confirmed'],
  ['no record', null, before, 'no-trial', 'there is no trial'],
])('%s: not cancelled, and nothing is unloaded', (_, record, tree, reason, message) => {
  const system = record === null ? machine(tree) : recorded(record, tree)
  expect(() => cancelTrial(system, { reason: 'x', unload: never })).toThrow(
    expect.objectContaining({ reason, refused: true, summary: expect.stringContaining(message) }),
  )
})

test('while a load or a reboot is at work, nothing is confirmed', async () => {
  const system = recorded(startedRecord(), during)
  const lock = await Lock.take(system, 'reboot')
  expect(() => confirmTrial(system, { release: never })).toThrow(expect.objectContaining({ reason: 'busy' }))
  lock.release()
  expect(confirmTrial(system, { release: () => {} })).toMatchObject({ outcome: 'confirmed' })
})

const BLOCK = '/boot/grub/grubenv'
const fallback = { path: BLOCK, value: 'old', before: null }
const blockWith = (line: string) => `# GRUB Environment Block\n${line}`.padEnd(1024, '#')

test('a fallback for one boot ends with the confirmation; one that stays, or that GRUB has used, is left alone', () => {
  const confirmedWith = (variable: 'next_entry' | 'saved_entry', line: string) => {
    const system = recorded(startedRecord({ fallback: { ...fallback, variable } }), during, {
      [BLOCK]: { text: blockWith(line) },
    })
    confirmTrial(system, { release: () => {} })
    return readFileSync(join(system.root, BLOCK), 'utf8')
  }
  expect(confirmedWith('next_entry', 'a=1\nnext_entry=old\n')).toBe(blockWith('a=1\n'))
  expect(confirmedWith('next_entry', 'next_entry=\n')).toBe(blockWith('next_entry=\n'))
  expect(confirmedWith('saved_entry', 'saved_entry=old\n')).toBe(blockWith('saved_entry=old\n'))
  const without = recorded(startedRecord({ fallback: { ...fallback, variable: 'next_entry' } }), during)
  expect(confirmTrial(without, { release: () => {} })).toMatchObject({ outcome: 'confirmed' })
})

test('cancelling takes the fallback back, before the record says so', () => {
  const record = trialRecord({ fallback: { ...fallback, variable: 'saved_entry', before: 'newest' } })
  const system = recorded(record, before, { [BLOCK]: { text: blockWith('saved_entry=old\n') } })
  cancelTrial(system, { reason: 'Not today.', unload: () => {} })
  expect(readFileSync(join(system.root, BLOCK), 'utf8')).toBe(blockWith('saved_entry=newest\n'))
  const full = recorded(record, before, { [BLOCK]: { text: '# GRUB Environment Block\nsaved_entry=old\n' } })
  expect(() => cancelTrial(full, { reason: 'x', unload: () => {} })).toThrow(expect.objectContaining({ reason: 'io' }))
  expect(storedRecord(full).state).toBe('loaded')
})
