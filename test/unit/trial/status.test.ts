import { utimesSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { TrialRecord } from '../../../src/trial/model/trial.ts'
import { advance } from '../../../src/trial/record/advance.ts'
import { TrialRecords } from '../../../src/trial/record/records.ts'
import { trialStatus } from '../../../src/trial/status.ts'
import type { Tree } from '../entries/tree.ts'
import { after, before, during, ID, machine, newer, RECORD, recorded, startedRecord, trialRecord } from './machine.ts'

const at = new Date('2026-11-30T08:00:00Z')

test('without a trial there is none; before its start it is planned, loaded or started', () => {
  expect(trialStatus(machine(before))).toMatchObject({ outcome: 'none', record: null, runningTrial: null })
  const planned = trialRecord({ state: 'planned' })
  expect(trialStatus(recorded(planned, before))).toMatchObject({ outcome: 'planned', isHeld: null })
  expect(trialStatus(recorded(planned, after))).toMatchObject({ outcome: 'planned' })
  expect(trialStatus(recorded(trialRecord(), before))).toMatchObject({ outcome: 'loaded', isHeld: false })
  const held = { '/sys/kernel/kexec_loaded': { text: '1\n' } }
  expect(trialStatus(recorded(trialRecord(), before, held))).toMatchObject({ outcome: 'loaded', isHeld: true })
  expect(trialStatus(recorded(startedRecord(), before, held))).toMatchObject({ outcome: 'started', isHeld: true })
})

test('the kernel with its id is the running trial, whatever the record knows of its start', () => {
  for (const record of [trialRecord({ state: 'planned' }), trialRecord(), startedRecord()])
    expect(trialStatus(recorded(record, during))).toMatchObject({
      outcome: 'running',
      record,
      isRunning: true,
      runningTrial: ID,
      differences: [],
      timeLeft: 100_000,
    })
  const late = { '/proc/uptime': { text: '120.00 200.00\n' } }
  expect(trialStatus(recorded(startedRecord(), during, late))).toMatchObject({ outcome: 'expired', timeLeft: 0 })
  const unknown = { '/proc/uptime': { text: '' } }
  expect(trialStatus(recorded(startedRecord(), during, unknown))).toMatchObject({ outcome: 'running', timeLeft: null })
})

/** /sys/kernel/notes with this build id, as text: its 20 bytes are those of ASCII. */
const notesOf = (id: string): Tree => ({
  '/sys/kernel/notes': { text: `\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0${id}` },
})
const built = (id: string) => Buffer.from(id).toString('hex')

test('a kernel that was built again is another one, though its release is the same', () => {
  const { target } = startedRecord()
  const [ours, others] = ['abcdefghijklmnopqrst', 'abcdefghijklmnopqrsu']
  const withId = startedRecord({ target: { ...target, buildId: built(ours), version: '#1 SMP' } })
  const differencesOf = (record: TrialRecord, ...trees: readonly Tree[]) =>
    trialStatus(recorded(record, during, ...trees)).differences
  expect(differencesOf(withId, notesOf(ours))).toEqual([])
  const source = '/sys/kernel/notes'
  expect(differencesOf(withId, notesOf(others))).toEqual([{ source, expected: built(ours), found: built(others) }])
  expect(differencesOf(withId)).toEqual([{ source, expected: built(ours), found: null }])

  // Without a build id in the image, its number and time.
  const withVersion = startedRecord({ target: { ...target, buildId: null, version: '#2 SMP Debian 6.12.1-1' } })
  const versionOf = (text: string): Tree => ({ '/proc/sys/kernel/version': { text: `${text}\n` } })
  expect(differencesOf(withVersion, notesOf(others), versionOf('#2 SMP Debian 6.12.1-1'))).toEqual([])
  expect(differencesOf(withVersion, versionOf('#3 SMP'))).toEqual([
    { source: '/proc/sys/kernel/version', expected: '#2 SMP Debian 6.12.1-1', found: '#3 SMP' },
  ])
  // Records of earlier versions have neither.
  expect(differencesOf(startedRecord(), notesOf(others), versionOf('#3 SMP'))).toEqual([])
})

test('each difference from the record is named: the release, and the parameters', () => {
  const differencesOf = (line: string, release = newer) =>
    trialStatus(
      recorded(startedRecord(), during, {
        '/proc/cmdline': { text: line },
        '/proc/sys/kernel/osrelease': { text: `${release}\n` },
      }),
    ).differences
  const line = `root=/dev/vda1 ro quiet panic=10 linux_kexec.trial=${ID}`
  expect(differencesOf(`${line}  \n`)).toEqual([])
  expect(differencesOf(line, '6.1.0')).toEqual([
    { source: '/proc/sys/kernel/osrelease', expected: newer, found: '6.1.0' },
  ])
  expect(differencesOf(line.replace('panic=10', 'panic=0'))).toEqual([
    { source: '/proc/cmdline', expected: 'panic=10', found: null },
    { source: '/proc/cmdline', expected: null, found: 'panic=0' },
  ])
  expect(differencesOf(`${line} ro`)).toEqual([{ source: '/proc/cmdline', expected: null, found: 'ro' }])
  expect(differencesOf(`${line} -- single`)).toEqual([{ source: '/proc/cmdline', expected: null, found: '-- single' }])
  // The last of two values counts, so their order does.
  expect(differencesOf(line.replace('ro quiet', 'quiet ro'))).toEqual([
    { source: '/proc/cmdline', expected: line, found: line.replace('ro quiet', 'quiet ro') },
  ])
  const anyRelease = startedRecord({ target: { ...startedRecord().target, release: null } })
  expect(trialStatus(recorded(anyRelease, during)).differences).toEqual([])
})

test('a kernel without its id after the reset means that it was taken back, as far as it came', () => {
  for (const record of [trialRecord(), startedRecord()])
    expect(trialStatus(recorded(record, after))).toMatchObject({
      outcome: 'taken-back',
      record,
      isRunning: false,
      timeLeft: null,
      lastLines: null,
    })
  // A word behind -- is init's and names no trial.
  const forInit = { '/proc/cmdline': { text: `root=/dev/vda1 -- linux_kexec.trial=${ID}\n` } }
  expect(trialStatus(recorded(startedRecord(), after, forInit)).outcome).toBe('taken-back')
  // The variables of the boot loader count for nothing.
  const selected = {
    '/sys/firmware/efi/efivars/LoaderEntrySelected-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f': { text: newer },
  }
  expect(trialStatus(recorded(startedRecord(), after, selected)).outcome).toBe('taken-back')
})

test('the last lines of the kernel that died come with it, those of an older crash do not', () => {
  const pstore = {
    '/sys/fs/pstore/console-ramoops-0': { text: 'console\n' },
    '/sys/fs/pstore/dmesg-efi_pstore-2': { text: 'Panic#1 Part2\n<6>[ 1.0] first\n' },
    '/sys/fs/pstore/dmesg-efi_pstore-1': {
      text: 'Panic#1 Part1\n<0>[ 1.1] Kernel panic - not syncing\n<0>[ 1.2] ---[ end\n',
    },
    '/sys/fs/pstore/dmesg-efi_pstore-9.enc.z': { text: 'packed' },
  }
  const system = recorded(startedRecord(), after, pstore)
  expect(trialStatus(system).lastLines).toEqual({
    path: expect.stringMatching(/^\/sys\/fs\/pstore\/dmesg-efi_pstore-[12]$/),
    lines: ['<6>[ 1.0] first', '<0>[ 1.1] Kernel panic - not syncing', '<0>[ 1.2] ---[ end'],
  })
  const long = Object.fromEntries(
    ['/var/lib/systemd/pstore/1701/001/dmesg.txt'].map((path) => [
      path,
      { text: Array.from({ length: 100 }, (_, index) => `line ${index}\n`).join('') },
    ]),
  )
  const moved = recorded(startedRecord(), after, long)
  expect(trialStatus(moved).lastLines?.lines).toHaveLength(20)
  expect(trialStatus(moved).lastLines?.lines.at(-1)).toBe('line 99')
  const old = new Date('2026-11-30T07:00:59Z')
  utimesSync(join(moved.root, '/var/lib/systemd/pstore/1701/001/dmesg.txt'), old, old)
  expect(trialStatus(moved).lastLines).toBe(null)
})

test('the end of a trial stays its end, whichever kernel runs', () => {
  const ends = [
    advance(startedRecord(), 'confirmed', { at }),
    advance(startedRecord(), 'failed', { reason: 'The check net failed.', at }),
    advance(startedRecord(), 'expired', { at }),
    advance(trialRecord(), 'cancelled', { reason: 'Another kernel was loaded.', at }),
  ]
  for (const record of ends)
    for (const [tree, isRunning] of [
      [during, true],
      [after, false],
    ] as const)
      expect(trialStatus(recorded(record, tree))).toMatchObject({ outcome: record.state, isRunning, timeLeft: null })
})

test('a kernel on a trial without a record is said to be so; one whose trial is in the history is not', () => {
  expect(trialStatus(machine(during))).toMatchObject({ outcome: 'unrecorded', runningTrial: ID, isRunning: false })
  const system = recorded(advance(startedRecord(), 'confirmed', { at }), during)
  new TrialRecords(system).begin(trialRecord({ id: 'f'.repeat(16), from: { release: newer, bootId: 'x' } }))
  expect(trialStatus(system)).toMatchObject({ outcome: 'taken-back', runningTrial: ID })
  const other = recorded(trialRecord({ id: 'f'.repeat(16) }), during)
  expect(trialStatus(other)).toMatchObject({ outcome: 'unrecorded', runningTrial: ID })
})

test('a record that cannot be trusted is said to be so', () => {
  const system = machine(during, { [RECORD]: { text: '{' } })
  expect(trialStatus(system)).toMatchObject({
    outcome: 'unreadable',
    record: null,
    runningTrial: ID,
    problem: expect.stringContaining('trial.json'),
  })
})

test('the last messages begin with the reason of the panic, as far as that is near', () => {
  const stack = (lines: number) => Array.from({ length: lines }, (_, index) => `<4>[ 2.0] ? call_${index}`)
  const linesOf = (...text: readonly string[]) => {
    const dump = { text: `Panic#1 Part1\n${text.join('\n')}\n` }
    return trialStatus(recorded(startedRecord(), after, { '/sys/fs/pstore/dmesg-ramoops-0': dump })).lastLines?.lines
  }
  const panic = '<0>[ 2.0] Kernel panic - not syncing: Attempted to kill init!'
  expect(linesOf('before', panic, ...stack(40))).toEqual([panic, ...stack(40)])
  expect(linesOf('before', panic, ...stack(3))).toEqual(['before', panic, ...stack(3)])
  expect(linesOf(panic, ...stack(100))).toEqual(stack(100).slice(-60))
  expect(linesOf(...stack(100))).toEqual(stack(100).slice(-20))
})
