import { expect, test } from 'vitest'
import { causeOf, type Symptoms } from '../../../src/rehearsal/cause.ts'

const symptoms = (outcome: Symptoms['outcome'], more: Partial<Symptoms> = {}) =>
  causeOf({
    ...{ outcome, console: '', commandLine: 'console=ttyS0 root=/dev/vda1', initrd: {}, port: 'ttyS0' },
    ...{ hasDisk: false },
    ...more,
  })

const root = { kind: 'root-not-found', message: 'VFS: Unable to mount root fs on unknown-block(0,0)' } as const
const init = { kind: 'init-failed', message: 'No working init found' } as const
const silent = { kind: 'silent', processor: null } as const
const panic = { kind: 'panicked', phase: 'boot', message: '' } as const

// Of Linux 6.1 in QEMU.
const noDriver = `[    0.000000] Linux version 6.1.0-57-cloud-amd64 (debian-kernel@lists.debian.org)
[    2.105441] /dev/root: Can't open blockdev
[    2.108262] VFS: Cannot open root device "vda1" or unknown-block(0,0): error -6
[    2.111032] Please append a correct "root=" boot option; here are the available partitions:
[    2.113887] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)`
const noFileSystem = `[    0.000000] Linux version 6.1.0-57-cloud-amd64 (debian-kernel@lists.debian.org)
[    1.530713] virtio_blk virtio0: [vda] 131072 512-byte logical blocks (67.1 MB/64.0 MiB)
[    2.113887] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(254,1)`
const noSuchName = `[    0.000000] Linux version 6.1.0-57-cloud-amd64 (debian-kernel@lists.debian.org)
[    1.530713] virtio_blk virtio0: [vda] 131072 512-byte logical blocks (67.1 MB/64.0 MiB)
[    1.542114]  vda: vda1
ALERT!  /dev/vda7 does not exist.  Dropping to a shell!`
const noModules = `[    0.000000] Linux version 6.1.0-57-cloud-amd64 (debian-kernel@lists.debian.org)
Begin: Running /scripts/local-premount ... done.
Gave up waiting for root file system device.  Common problems:
 - Boot args (cat /proc/cmdline)
   - Check rootdelay= (did the system wait long enough?)
 - Missing modules (cat /proc/modules; ls /dev)
ALERT!  /dev/vda1 does not exist.  Dropping to a shell!`

test.each<[string, Symptoms['outcome'], Partial<Symptoms>, RegExp]>([
  ['another console', silent, { commandLine: 'console=ttyS1,115200 console=tty0' }, /ttyS1,115200 and tty0.*=ttyS0/],
  ['a console that is heard', silent, { commandLine: 'console=ttyS0,115200' }, /stopped before it could print/],
  ['no console at all', silent, { commandLine: 'quiet' }, /stopped before it could print/],
  ['a loop', { kind: 'silent', processor: 'looping' }, {}, /loops early/],
  ['a halt', { kind: 'silent', processor: 'waiting' }, {}, /waits without a word/],
  ['no root=', root, { commandLine: 'quiet' }, /no root=/],
  ['no initrd', root, { initrd: null, console: noDriver }, /no initrd.*root=\/dev\/vda1.*--root-image/],
  [
    'no driver built in',
    root,
    { initrd: null, hasDisk: true, console: noDriver },
    /not built into the kernel.*no initrd/,
  ],
  ['no disk', root, { console: noModules }, /no disk unless --root-image|none unless --root-image/],
  ['no modules', root, { hasDisk: true, console: noModules }, /^The initrd has no driver for the root disk/],
  ['no modules, quietly', root, { hasDisk: true, console: 'ALERT! x does not exist' }, /Without quiet/],
  [
    'a wrong name',
    root,
    { hasDisk: true, console: noSuchName },
    /root=\/dev\/vda1 is wrong: the disk is there \(vda\)/,
  ],
  ['a root that is there', root, { hasDisk: true, console: noFileSystem }, /could not be mounted/],
  ['an init of another machine', init, { console: 'Failed to execute /init (error -8)' }, /another architecture/],
  [
    'an init of another machine, started by ours',
    { kind: 'init-failed', message: 'Failed to execute the init of the initrd (error -8)' },
    {},
    /another architecture/,
  ],
  ['an init without the right', init, { console: 'Failed to execute /init (error -13)' }, /not executable/],
  ['an init that is missing', init, { console: 'Failed to execute /init (error -2)' }, /missing/],
  ['an initrd that is none', init, { console: 'Initramfs unpacking failed: invalid magic' }, /could not unpack/],
  [
    'an initrd of an unknown kind',
    init,
    { console: 'Initramfs unpacking failed: compression method zstd not configured' },
    /compression is not built in/,
  ],
  ['an init that ended', init, {}, /ended or did not start/],
  ['no init in the root', init, { initrd: null }, /no init/],
  [
    'programs for a newer processor',
    init,
    { console: 'Fatal glibc error: CPU does not support x86-64-v3' },
    /newer processor/,
  ],
  [
    'an instruction that is not there',
    { kind: 'init-failed', message: 'Attempted to kill init! exitcode=0x00000004' },
    {},
    /instruction/,
  ],
  ['the same in the kernel', panic, { console: 'traps: init[1] trap invalid opcode ip:401000' }, /instruction/],
  ['a timer', panic, { console: "IO-APIC + timer doesn't work!" }, /no_timer_check/],
  [
    'waiting for a disk',
    { kind: 'hung', phase: 'run', after: '' },
    { console: 'ALERT! UUID=1 does not exist.' },
    /disk of root=/,
  ],
  ['no program', { kind: 'failed', status: 127 }, {}, /did not start/],
  ['a reset', { kind: 'rebooted', phase: 'boot' }, {}, /triple fault/],
  ['no KVM', { kind: 'accelerator-unusable', message: '' }, {}, /--accelerator tcg/],
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
