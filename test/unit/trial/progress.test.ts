import { expect, test } from 'vitest'
import { progressIn } from '../../../src/trial/progress.ts'
import { ID, newer, older, startedRecord, trialRecord } from './machine.ts'

const path = '/sys/fs/pstore/dmesg-ramoops-0'
const record = startedRecord()

function judge(text: string, its = record) {
  const lines = text.split('\n').filter((line) => line !== '')
  const progress = progressIn({ path, lines }, its)
  return progress && [progress.stage, progress.line]
}

// Lines of Debian's kernels in QEMU, as ramoops kept them or the console had them.
const banner = `<5>[    0.000000] Linux version ${newer} (debian-kernel@lists.debian.org) (x86_64-linux-gnu-gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0, GNU ld (GNU Binutils for Debian) 2.40) #1 SMP PREEMPT_DYNAMIC Debian 6.12.107-1~deb12u1 (2026-09-02)`
const commandLine = `<5>[    0.000000] Kernel command line: root=/dev/vda1 ro quiet panic=10 linux_kexec.trial=${ID}`
const run = '<6>[    1.702193] Run /linux-kexec-deadman as init process'
const deadman = `<10>[    1.768212] linux-kexec: trial ${ID}: unless it is confirmed, the machine resets 120 s after the start of this kernel`
const stack = `<4>[    2.012345] CPU: 0 UID: 0 PID: 1 Comm: init Not tainted ${newer} #1  Debian 6.12.107-1~deb12u1`
const killed = '<0>[    2.011111] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000700'
const noRoot = '<0>[    1.611111] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(254,1)'
const jump = '[   63.465015] kexec_core: Starting new kernel'

// What ramoops kept of Debian's kernel when /init ended (test/vm/black-box.test.ts), the middle of it.
const kept = `<6>[    4.264028] x86/mm: Checked W+X mappings: passed, no W+X pages found.
<6>[    4.281307] Run /linux-kexec-deadman as init process
<7>[    4.281610]   with arguments:
<7>[    4.281651]     /linux-kexec-deadman
<7>[    4.281673]   with environment:
<7>[    4.281691]     HOME=/
<13>[    4.506248] linux-kexec: trial 364f97c37a9b54eb: unless it is confirmed, the machine resets 120 s after the start of this kernel
<6>[    4.552607] ramoops: using module parameters
<6>[    4.558531] pstore: Registered ramoops as persistent store backend
<0>[    4.588176] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000700
<4>[    4.588733] CPU: 0 UID: 0 PID: 1 Comm: init Not tainted 6.12.117+deb12-cloud-amd64 #1  Debian 6.12.117-1~deb12u1
<4>[    4.590081]  <TASK>
`

test('what a real kernel left: its init ran, whether its id or its release tells which kernel it was', () => {
  const line = (text: string) => kept.split('\n').find((each) => each.includes(text))
  const its = { ...record, target: { ...record.target, release: '6.12.117+deb12-cloud-amd64' } }
  expect(judge(kept, { ...record, id: '364f97c37a9b54eb' })).toEqual(['init', line('Attempted to kill init')])
  expect(judge(kept, its)).toEqual(['init', line('Attempted to kill init')])
  const withoutPanic = kept.replace(/^<0>.*\n/m, '')
  expect(judge(withoutPanic, its)).toEqual(['init', line('Run /linux-kexec-deadman')])
  expect(judge(withoutPanic.replace(/^.*Run .*\n/m, ''), its)).toEqual(['init', line('364f97c37a9b54eb')])
  expect(judge(withoutPanic.replace(/^.*(?:Run |linux-kexec: ).*\n/gm, ''), its)).toEqual(['kernel', line('CPU: ')])
  expect(judge(kept)).toBe(null)
})

test('the kernel ran: its command line, its banner, the head of a stack; and nothing of an init', () => {
  expect(judge(`${commandLine}\n${noRoot}\n`)).toEqual(['kernel', commandLine])
  expect(judge(`${banner}\n${noRoot}\n`)).toEqual(['kernel', banner])
  expect(judge(`${noRoot}\n${stack.replace('init', 'swapper/0')}\n`)).toEqual([
    'kernel',
    stack.replace('init', 'swapper/0'),
  ])
  // A kernel that shows who wrote a message (CONFIG_PRINTK_CALLER).
  const shown = commandLine.replace('] ', '][    T0] ')
  expect(judge(shown)).toEqual(['kernel', shown])
})

test('its init ran: it was started, or died, or wrote a message', () => {
  expect(judge(`${commandLine}\n${run}\n`)).toEqual(['init', run])
  expect(judge(`${killed}\n${stack}\n`)).toEqual(['init', killed])
  const systemd = '<30>[    3.100000] systemd[1]: Detected virtualization kvm.'
  expect(judge(`${commandLine}\n${systemd}\n`)).toEqual(['init', systemd])
  expect(judge(`${systemd}\n${deadman}\n`)).toEqual(['init', systemd])
  // The console shows no level: the deadman's message is that of a program.
  const bare = deadman.replace('<10>', '')
  expect(judge(`[    1.5] Key type encrypted registered\n${bare}\n[   20.016061] sysrq: Resetting\n`)).toEqual([
    'init',
    bare,
  ])
})

test('an init that could not be started did not run', () => {
  const failed = [
    '<3>[    1.8] Failed to execute /linux-kexec-deadman (error -2)',
    '<0>[    1.9] Kernel panic - not syncing: Requested init /sbin/none failed (error -2).',
    '<0>[    1.9] Kernel panic - not syncing: No working init found.  Try passing init= option to kernel.',
    "<3>[    1.8] Starting init: /sbin/init exists but couldn't execute it (error -8)",
  ]
  for (const line of failed) expect(judge(`${commandLine}\n${run}\n${line}\n`), line).toEqual(['kernel', commandLine])
  // Another one was, after that.
  const other = '<6>[    1.9] Run /bin/sh as init process'
  expect(judge(`${commandLine}\n${run}\n${failed[0]}\n${other}\n`)).toEqual(['init', other])
})

test('the old kernel’s last message is that of the jump; messages that may be its own show nothing', () => {
  expect(judge(`[   63.3] reboot: something\n${jump}\n`)).toEqual(['jumped', jump])
  expect(judge(jump.replace('kexec_core', 'kexec'))?.[0]).toBe('jumped')
  expect(judge(`${jump}\n[   63.5] Bye!\n`)).toEqual(['jumped', jump])
  const old = banner.replace(newer, older)
  expect(judge(`${old}\n${run}\n`)).toBe(null)
  expect(judge(`${old}\n${run}\n${jump}\n`)).toEqual(['jumped', jump])
  expect(judge('line 98\nline 99\n')).toBe(null)
  const another = commandLine.replace(ID, 'f'.repeat(16))
  expect(judge(`${another}\n${run}\n`)).toBe(null)
  expect(judge(`${commandLine}0\n${run}\n`)).toBe(null)
})

test('a trial of the release that loaded it is known by its id only', () => {
  const same = trialRecord({ ...record, from: { ...record.from, release: newer } })
  expect(judge(`${banner}\n${run}\n`, same)).toBe(null)
  expect(judge(`${killed}\n${stack}\n`, same)).toBe(null)
  expect(judge(`${banner}\n${commandLine}\n${run}\n`, same)).toEqual(['init', run])
})

test('a program cannot pass for the kernel', () => {
  const forged = (line: string) => line.replace(/^<\d>/, '<14>')
  expect(judge(`${forged(commandLine)}\n${forged(banner)}\n`)).toBe(null)
  expect(judge(`<14>${jump}\n`)).toBe(null)
  // It did run, which is all that its message shows.
  expect(judge(`${commandLine}\n${forged(killed)}\n`)).toEqual(['init', forged(killed)])
})
