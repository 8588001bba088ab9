import { expect, test } from 'vitest'
import { causeOf, type Symptoms } from '../../../src/rehearsal/cause.ts'

const symptoms = (outcome: Symptoms['outcome'], more: Partial<Symptoms> = {}) =>
  causeOf({ outcome, console: '', commandLine: 'console=ttyS0 root=/dev/vda1', initrd: {}, port: 'ttyS0', ...more })

const root = { kind: 'root-not-found', message: 'VFS: Unable to mount root fs on unknown-block(0,0)' } as const
const init = { kind: 'init-failed', message: 'No working init found' } as const

test.each<[string, Symptoms['outcome'], Partial<Symptoms>, RegExp]>([
  [
    'another console',
    { kind: 'silent' },
    { commandLine: 'console=ttyS1,115200 console=tty0' },
    /ttyS1,115200 and tty0.*console=ttyS0/,
  ],
  [
    'a console that is heard',
    { kind: 'silent' },
    { commandLine: 'console=ttyS0,115200' },
    /stopped before it could print/,
  ],
  ['no console at all', { kind: 'silent' }, { commandLine: 'quiet' }, /stopped before it could print/],
  ['no root=', root, { commandLine: 'quiet' }, /no root=/],
  ['no initrd', root, { initrd: null }, /no initrd/],
  [
    'no such disk',
    root,
    { console: 'VFS: Cannot open root device "vda1" or unknown-block(0,0): error -6' },
    /root=\/dev\/vda1: the disk/,
  ],
  ['a root that is there', root, { console: 'unknown-block(254,1): error -22' }, /could not be mounted/],
  ['an init of another machine', init, { console: 'Failed to execute /init (error -8)' }, /another architecture/],
  ['an init without the right', init, { console: 'Failed to execute /init (error -13)' }, /not executable/],
  ['an init that is missing', init, { console: 'Failed to execute /init (error -2)' }, /missing/],
  ['an initrd that is none', init, { console: 'Initramfs unpacking failed: invalid magic' }, /could not unpack/],
  ['an init that ended', init, {}, /ended or did not start/],
  ['no init in the root', init, { initrd: null }, /no init/],
  [
    'a timer',
    { kind: 'panicked', phase: 'boot', message: '' },
    { console: "IO-APIC + timer doesn't work!" },
    /no_timer_check/,
  ],
  [
    'waiting for a disk',
    { kind: 'hung', phase: 'run', after: '' },
    { console: 'ALERT! UUID=1 does not exist.' },
    /disk of root=/,
  ],
  ['no program', { kind: 'failed', status: 127 }, {}, /did not start/],
  ['a reset', { kind: 'rebooted', phase: 'boot' }, {}, /triple fault/],
  ['a refusal', { kind: 'refused', error: { reason: 'x', message: '', hint: 'Do this.' } }, {}, /^Do this\.$/],
])('%s', (_name, outcome, more, cause) => {
  expect(symptoms(outcome, more)).toMatch(cause)
})

test.each<Symptoms['outcome']>([
  { kind: 'passed' },
  { kind: 'failed', status: 3 },
  { kind: 'timed-out', phase: 'boot' },
  { kind: 'refused', error: { reason: 'x', message: '' } },
  { kind: 'qemu-died', status: 1, message: '' },
])('nothing is known of $kind', (outcome) => {
  expect(symptoms(outcome)).toBeNull()
})
