import { expect, test } from 'vitest'
import { detectInit } from '../../../src/handover/detect.ts'
import { kexecSignal, systemd } from '../../../src/handover/init-systems/systemd.ts'
import { mountsToClose } from '../../../src/handover/jump/mounts.ts'
import { remainingProcesses } from '../../../src/handover/jump/processes.ts'
import { System } from '../../../src/system/system.ts'
import { machine, program } from './machine.ts'

test('the init system is told by its program and what it leaves under /run', () => {
  const inits: [string, Record<string, string | null>][] = [
    ['systemd', { '/proc/1/comm': 'systemd\n', '/run/systemd/system': null }],
    ['openrc-init', { '/proc/1/comm': 'openrc-init\n' }],
    ['sysvinit', { '/proc/1/comm': 'init\n', '/proc/1/exe': '->/sbin/init', '/etc/inittab': '' }],
    ['openrc-sysvinit', { '/proc/1/comm': 'init\n', '/etc/inittab': '', '/run/openrc': null }],
    ['busybox', { '/proc/1/comm': 'init\n', '/proc/1/exe': '->/bin/busybox', '/etc/inittab': '' }],
    ['runit', { '/proc/1/comm': 'runit\n' }],
    ['s6-linux-init', { '/proc/1/comm': 's6-svscan\n', '/run/service/s6-linux-init-shutdownd/fifo': '' }],
    ['s6-svscan without s6-linux-init', { '/proc/1/comm': 's6-svscan\n' }],
    ['finit', { '/proc/1/comm': 'init\n', '/run/finit/socket': '' }],
    ['procd', { '/proc/1/comm': 'procd\n' }],
    ['dinit', { '/proc/1/comm': 'dinit\n' }],
    ['tini (a container)', { '/proc/1/comm': 'tini\n' }],
    ['unknown', { '/proc/1/comm': 'my-own-pid-1\n' }],
    ['unknown', {}],
    // Systems that do not run, and PID 1 as others than root see it: what lies at /sbin/init.
    ['systemd', { '/sbin/init': '->../usr/lib/systemd/systemd', '/usr/lib/systemd/systemd': '' }],
    ['busybox', { '/proc/1/comm': 'init\n', '/sbin/init': '->../bin/busybox', '/bin/busybox': '', '/etc/inittab': '' }],
    ['sysvinit', { '/sbin/init': '', '/etc/inittab': '' }],
  ]
  for (const [name, files] of inits) {
    const detected = detectInit(machine(files))
    expect(detected.name, JSON.stringify(files)).toBe(name)
    expect(detected.evidence.length).toBeGreaterThan(0)
  }
})

test('SIGRTMIN+6 is counted in the C library of PID 1, not in ours', () => {
  const glibc = '7f0 r-xp 00000000 08:01 131 /usr/lib/x86_64-linux-gnu/libc.so.6\n'
  const musl = '7f0 r-xp 00000000 08:01 131 /lib/ld-musl-x86_64.so.1\n'
  expect(kexecSignal(machine({ '/proc/1/maps': glibc }))).toBe(40)
  expect(kexecSignal(machine({ '/proc/1/maps': musl }))).toBe(41)
})

test('systemd without kexec.target is an obstacle that is named', () => {
  const bare = machine({ '/proc/1/maps': 'libc.so.6', '/usr/lib/systemd/systemd-shutdown': '' })
  expect(systemd.examine(bare, program).obstacles).toEqual([
    { code: 'kexec-not-supported', text: 'systemd has no kexec.target here' },
  ])
  const whole = machine({
    '/proc/1/maps': 'libc.so.6',
    '/lib/systemd/systemd-shutdown': '',
    '/lib/systemd/system/kexec.target': '',
  })
  expect(systemd.examine(whole, program).obstacles).toEqual([])
})

test('mounts are closed innermost first, virtual ones not at all', () => {
  // As /proc/self/mountinfo of a Debian 12 machine has it, with a directory that has a space in its name.
  const mountinfo = `22 27 0:20 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
23 27 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:13 - proc proc rw
27 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
61 27 8:15 / /boot/efi ro,relatime shared:30 - vfat /dev/sda15 ro,fmask=0077
70 27 0:45 / /srv/my\\040files rw,relatime shared:31 - nfs4 server:/files rw,vers=4.2
71 27 0:30 / /run rw,nosuid,nodev shared:5 - tmpfs tmpfs rw
`
  expect(mountsToClose(machine({ '/proc/self/mountinfo': mountinfo }))).toMatchObject([
    { mountPoint: '/srv/my files', type: 'nfs4', readOnly: false },
    { mountPoint: '/boot/efi', type: 'vfat', readOnly: true },
    { mountPoint: '/', type: 'ext4', readOnly: false },
  ])
})

test('the processes that a shutdown would end are told without PID 1, this one and kernel threads', () => {
  const pids = remainingProcesses().map(({ pid }) => pid)
  expect(pids).toContain(process.ppid)
  expect(pids).not.toContain(process.pid)
  expect(pids).not.toContain(1)
  // In the initial pid namespace 2 is kthreadd, the father of all kernel threads.
  if (new System().readText('/proc/2/comm') === 'kthreadd\n') expect(pids).not.toContain(2)
})
