import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { TrialRecord } from '../../../../src/trial/model/trial.ts'
import { trialStates } from '../../../../src/trial/model/trial.ts'
import { advance, hasEnded } from '../../../../src/trial/record/advance.ts'
import { TrialRecords } from '../../../../src/trial/record/records.ts'
import { before, during, machine, RECORD, startedRecord, storedRecord, trialRecord } from '../machine.ts'

const at = new Date('2026-11-30T08:00:00Z')
const HISTORY = '/var/lib/linux-kexec/trial-history.json'

/** The nth of a series of trials, ended. */
function ended(number: number): TrialRecord {
  const id = number.toString(16).padStart(16, '0')
  return advance(trialRecord({ id }), 'cancelled', { reason: 'It was cancelled.', at })
}

function modeOf(path: string): string {
  return (lstatSync(path).mode & 0o7777).toString(8)
}

test('a record is root’s alone, is read back as it was written, and survives in each of its states', () => {
  const system = machine(before)
  const records = new TrialRecords(system)
  expect(records.latest()).toEqual({ absent: true })
  records.begin(trialRecord())
  expect(records.latest()).toEqual({ record: trialRecord() })
  expect([modeOf(join(system.root, '/var/lib/linux-kexec')), modeOf(join(system.root, RECORD))]).toEqual(['700', '600'])
  const started = advance(trialRecord(), 'started', { at })
  records.update(started)
  expect(records.latest()).toEqual({
    record: { ...trialRecord(), state: 'started', times: { ...trialRecord().times, started: at.toISOString() } },
  })
  expect(records.history()).toEqual({ trials: [], problem: null })
})

test('a trial goes only forward, and never on from its end', () => {
  const reach = (state: (typeof trialStates)[number]) =>
    trialStates.filter((next) => {
      try {
        return advance(trialRecord({ state }), next, { at }).state === next
      } catch {
        return false
      }
    })
  expect(Object.fromEntries(trialStates.map((state) => [state, reach(state)]))).toEqual({
    planned: ['loaded', 'started', 'failed', 'cancelled'],
    loaded: ['started', 'failed', 'cancelled'],
    started: ['confirmed', 'failed', 'expired', 'cancelled'],
    confirmed: [],
    failed: [],
    expired: [],
    cancelled: [],
  })
  expect(trialStates.filter(hasEnded)).toEqual(['confirmed', 'failed', 'expired', 'cancelled'])
  expect(() => advance(trialRecord(), 'confirmed')).toThrow('is loaded; it cannot become confirmed')
  expect(advance(startedRecord(), 'failed', { reason: 'The check net failed.', at })).toMatchObject({
    state: 'failed',
    reason: 'The check net failed.',
    times: { failed: '2026-11-30T08:00:00.000Z', started: '2026-11-30T07:01:00.000Z' },
  })
})

test('a power cut at any write of a new trial leaves both trials told truly', () => {
  const [first, second] = [ended(1), trialRecord({ id: 'f'.repeat(16) })]
  for (let steps = 0; ; steps++) {
    const system = machine(before)
    const records = new TrialRecords(system)
    records.begin(ended(0))
    records.begin(first)
    const writes = records.beginning(second)
    let isDone = false
    for (let step = 0; step < steps; step++) isDone = writes.next().done === true
    // Another process reads what is on the disk now.
    const found = new TrialRecords(system)
    const latest = found.latest()
    const all = [...found.history().trials, ...('record' in latest ? [latest.record] : [])]
    expect(all).toEqual(steps < 2 ? [ended(0), first] : [ended(0), first, second])
    // The next load goes on from there.
    if (steps < 2) new TrialRecords(system).begin(second)
    expect(found.history()).toEqual({ trials: [ended(0), first], problem: null })
    expect(found.latest()).toEqual({ record: second })
    if (isDone) break
    expect(steps).toBeLessThan(5)
  }
})

test('the history has the last 50 trials', () => {
  const records = new TrialRecords(machine(before))
  for (let number = 0; number <= 60; number++) records.begin(ended(number))
  expect(records.latest()).toEqual({ record: ended(60) })
  expect(records.history().trials.map(({ id }) => Number.parseInt(id, 16))).toEqual(
    Array.from({ length: 50 }, (_, index) => index + 10),
  )
})

test('a record that is damaged, newer or anyone’s is not believed; a new trial keeps it aside', () => {
  const system = machine(before)
  const path = join(system.root, RECORD)
  const problemOf = (text: string, mode = 0o600) => {
    mkdirSync(join(system.root, 'var/lib/linux-kexec'), { recursive: true, mode: 0o700 })
    rmSync(path, { force: true })
    writeFileSync(path, text, { mode })
    chmodSync(path, mode)
    const found = new TrialRecords(system).latest()
    return 'problem' in found ? found.problem.replace(path, 'FILE') : found
  }
  const whole = JSON.stringify(trialRecord())
  const changed = (changes: object) => JSON.stringify({ ...trialRecord(), ...changes })
  expect(problemOf(whole)).toEqual({ record: trialRecord() })
  for (let length = 0; length < whole.length; length += 7)
    expect(problemOf(whole.slice(0, length))).toBe('FILE cannot be trusted: it is not JSON, or is cut off')
  expect(problemOf(changed({ schemaVersion: 2 }))).toBe(
    'FILE cannot be trusted: a newer linux-kexec wrote it (version 2)',
  )
  expect(problemOf('null')).toBe('FILE cannot be trusted: its version is not 1')
  expect(problemOf(changed({ id: '../../x' }))).toBe('FILE cannot be trusted: its field id is wrong')
  expect(problemOf(changed({ state: 'fine' }))).toBe('FILE cannot be trusted: its field state is wrong')
  expect(problemOf(changed({ deadline: 0 }))).toBe('FILE cannot be trusted: its field deadline is wrong')
  expect(problemOf(changed({ times: { loaded: 'soon' } }))).toBe('FILE cannot be trusted: its field times is wrong')
  expect(problemOf(changed({ guards: { panic: 1 } }))).toBe('FILE cannot be trusted: its field guards is wrong')
  expect(problemOf(changed({ state: 'started' }))).toBe('FILE cannot be trusted: it does not say when it was started')
  expect(problemOf(whole, 0o644)).toBe('FILE is accessible to users other than its owner')
  rmSync(path)
  symlinkSync('trial-history.json', path)
  expect(new TrialRecords(system).latest()).toEqual({ problem: `${path} is a symbolic link` })

  writeFileSync(join(system.root, HISTORY), '{"schemaVersion":1,"trials":[{}]}', { mode: 0o600 })
  rmSync(path)
  writeFileSync(path, '{', { mode: 0o600 })
  const records = new TrialRecords(system)
  expect(records.history()).toEqual({
    trials: [],
    problem: `${join(system.root, HISTORY)} cannot be trusted: trial 1: its version is not 1`,
  })
  records.begin(ended(1))
  records.begin(ended(2))
  expect(records.history()).toEqual({ trials: [ended(1)], problem: null })
  expect(readFileSync(`${path}.damaged`, 'utf8')).toBe('{')
  expect(existsSync(join(system.root, `${HISTORY}.damaged`))).toBe(true)
})

test('a file in /etc moves the records; a bad one is reported and nothing is written elsewhere', () => {
  const system = machine(before, {
    '/etc/linux-kexec/state-directory': { text: '# on the data partition\n/data/kexec\n' },
  })
  new TrialRecords(system).begin(trialRecord())
  expect(storedRecord(system, '/data/kexec/trial.json')).toEqual(trialRecord())
  const place = join(system.root, 'etc/linux-kexec/state-directory')
  for (const text of ['', 'data\n', '/data/../x\n', '/data/\n', '/\n', '/a\n/b\n']) {
    writeFileSync(place, text)
    const records = new TrialRecords(system)
    expect(records.latest()).toEqual({ problem: expect.stringContaining('/etc/linux-kexec/state-directory') })
    expect(() => records.begin(ended(1))).toThrow(expect.objectContaining({ reason: 'trial-record' }))
  }
  writeFileSync(place, '/data/kexec\n')
  chmodSync(place, 0o666)
  expect(new TrialRecords(system).latest()).toEqual({ problem: expect.stringContaining('may write') })
  rmSync(place)
  symlinkSync('/nowhere', place)
  expect(new TrialRecords(system).latest()).toEqual({ problem: expect.stringContaining('is not a file') })
  expect(readdirSync(join(system.root, 'data/kexec'))).toEqual(['trial.json'])
  expect(existsSync(join(system.root, 'var'))).toBe(false)
})

test('a write that cannot be done keeps the old record; what a power cut left of one is removed by the next trial', () => {
  const system = machine(during)
  const records = new TrialRecords(system)
  records.begin(startedRecord())
  const failure = new Error('the watchdog cannot be stopped')
  const confirmed = advance(startedRecord(), 'confirmed', { at })
  expect(() =>
    records.update(confirmed, () => {
      throw failure
    }),
  ).toThrow(failure)
  expect(records.latest()).toEqual({ record: startedRecord() })
  expect(() => records.begin(ended(1))).toThrow('is on trial')
  expect(() => records.update(ended(1))).toThrow('it is no longer that of trial')
  records.update(confirmed)
  writeFileSync(join(system.root, 'var/lib/linux-kexec/.trial.json.0123456789ab'), '{')
  records.begin(ended(1))
  expect(readdirSync(join(system.root, 'var/lib/linux-kexec'))).toEqual(['trial-history.json', 'trial.json'])
})
