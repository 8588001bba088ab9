import { describe, expect, test } from 'vitest'
import type { Vm } from '../../src/vm/index.ts'
import { blankDisk, findDisk } from './disk.ts'
import { BOOT, json, machineForFile } from './guests.ts'

// The firmware boots the older kernel again after each reset; the records lie on a disk, which outlives it.

const grub = (release: string) => `set timeout=5
set default=old
menuentry 'Debian, as it was' --id old { linux /boot/vmlinuz-${release} root=/dev/vda1; initrd /boot/initrd.img-${release} }
`

/** Files for the initrd, in place of its own /init. */
const inits = {
  panics: '#!/bin/sh\nexit 7\n',
  sleeps: '#!/bin/sh\nwhile :; do sleep 1000; done\n',
}

const machine = machineForFile(
  { disks: [blankDisk()], firmwareReboot: 'after-panic', panicGrace: 120_000 },
  {
    packages: ['e2fsprogs'],
    files: Object.entries(inits).map(([name, data]) => ({ path: `/opt/${name}`, data, mode: 0o755 })),
  },
)

/** Mounts the disk with the records; and on a machine that has no boot menu yet, makes one. */
async function settle(vm: Vm): Promise<void> {
  const result = await vm.run(`${findDisk}
    blkid $d >/dev/null 2>&1 || mkfs.ext4 -q $d
    mkdir -p /var/lib/linux-kexec /boot/grub && mount $d /var/lib/linux-kexec && chmod 700 /var/lib/linux-kexec
    cat > /boot/grub/grub.cfg <<'CFG'\n${grub(machine.older)}CFG`)
  expect(result).toMatchObject({ status: 0 })
}

/** Loads the newer kernel on trial, and starts it. @returns the plan */
async function jump(options: string) {
  const { vm } = machine
  const load = await json(vm, `linux-kexec load newest --trial=best-effort ${options}`, { deadline: 200_000 })
  expect(load, load.stderr).toMatchObject({ status: 0 })
  await vm.spawn('linux-kexec reboot --via direct')
  return load.document.plan
}

/** Waits until the machine has come back to the older kernel, and looks at the record. */
async function takenBack(plan: { readonly trial: { readonly id: string } }) {
  const boot = await machine.vm.booted(BOOT)
  expect(boot.release).toBe(machine.older)
  expect(boot.commandLine).not.toContain('linux_kexec.trial')
  await settle(machine.vm)
  const told = await status()
  expect(told.record.id).toBe(plan.trial.id)
  const { status: code } = await json(machine.vm, 'linux-kexec trial confirm')
  expect(code, 'the old kernel cannot be confirmed').not.toBe(0)
  return told
}

/** Back to the older kernel, so that each test begins there. */
async function fromOlder(): Promise<void> {
  const { stdout } = await machine.vm.run('uname -r')
  if (stdout.trim() === machine.older) return
  await machine.vm.spawn('reboot -f')
  expect((await machine.vm.booted(BOOT)).release).toBe(machine.older)
  await settle(machine.vm)
}

const status = async () => (await json(machine.vm, 'linux-kexec trial status')).document

test('without anything that would end a hang, the trial is refused, and nothing is loaded', async () => {
  const { vm } = machine
  await settle(vm)
  const { status: code, document } = await json(vm, 'linux-kexec load newest --trial')
  expect(code).toBe(3)
  expect(document.error).toMatchObject({ reason: 'no-guard', hint: expect.stringContaining('--trial=best-effort') })
  expect((await json(vm, 'linux-kexec status')).document.loaded).toBe(false)
  expect(await status()).toMatchObject({ outcome: 'none', record: null })
})

describe('a good kernel', () => {
  test('runs on trial, is confirmed, and stays', async () => {
    const { vm } = machine
    const plan = await jump('--deadline 90')
    const boot = await vm.booted(BOOT)
    expect(boot).toMatchObject({ release: machine.newer, commandLine: plan.commandLine })
    await settle(vm)
    expect(await status()).toMatchObject({
      outcome: 'running',
      differences: [],
      record: { id: plan.trial.id, state: 'started' },
    })
    const confirmed = await json(vm, 'linux-kexec trial confirm')
    expect(confirmed, confirmed.stderr).toMatchObject({ status: 0 })
    // Past the deadline the machine is still there.
    const past = await vm.run('until [ $(cut -d. -f1 /proc/uptime) -gt 95 ]; do sleep 1; done; uname -r', BOOT)
    expect(past.stdout.trim()).toBe(machine.newer)
    expect(await status()).toMatchObject({ outcome: 'confirmed', record: { id: plan.trial.id, state: 'confirmed' } })
  })
})

describe('a kernel that does not come up', () => {
  test('panics in init: panic= resets the machine', async () => {
    await fromOlder()
    const plan = await jump('--overlay /opt/panics:/init')
    expect(await takenBack(plan)).toMatchObject({ outcome: 'taken-back', record: { state: 'started' } })
  })

  test('never reaches userspace: the deadman resets the machine at the deadline', async () => {
    const plan = await jump('--deadline 40 --overlay /opt/sleeps:/init')
    expect(await takenBack(plan)).toMatchObject({ outcome: 'taken-back', record: { state: 'started' } })
    expect(machine.vm.console.at(-2)?.text).toContain(plan.trial.id)
  })
})

describe('a kernel that comes up', () => {
  test('and is never confirmed is reset at the deadline', async () => {
    const plan = await jump('--deadline 45')
    expect((await machine.vm.booted(BOOT)).release).toBe(machine.newer)
    expect(await takenBack(plan)).toMatchObject({ outcome: 'taken-back' })
  })

  test('and fails a check is reset at once, and the record says which', async () => {
    const plan = await jump('--deadline 900')
    expect((await machine.vm.booted(BOOT)).release).toBe(machine.newer)
    await settle(machine.vm)
    await machine.vm.run(`mkdir -p /etc/linux-kexec/check.d
      printf '#!/bin/sh\\nexit 0\\n' > /etc/linux-kexec/check.d/10-good
      printf '#!/bin/sh\\necho no network; exit 3\\n' > /etc/linux-kexec/check.d/20-network
      chmod +x /etc/linux-kexec/check.d/*`)
    await machine.vm.spawn('linux-kexec trial confirm')
    const told = await takenBack(plan)
    expect(told).toMatchObject({ outcome: 'failed', record: { state: 'failed' } })
    expect(told.record.reason).toMatch(/20-network failed with status 3/)
  })
})

test('a trial that is cancelled before the reboot is unloaded', async () => {
  const { vm } = machine
  await fromOlder()
  expect(await vm.run('linux-kexec load newest --trial=best-effort')).toMatchObject({ status: 0 })
  expect(await status()).toMatchObject({ outcome: 'loaded' })
  expect(await vm.run('linux-kexec trial cancel')).toMatchObject({ status: 0 })
  expect((await json(vm, 'linux-kexec status')).document.loaded).toBe(false)
  expect(await status()).toMatchObject({ outcome: 'cancelled' })
})

test('a plain load, or an unload, ends the trial that was loaded', async () => {
  const { vm } = machine
  for (const command of ['linux-kexec load newest', 'linux-kexec unload']) {
    expect(await vm.run('linux-kexec load newest --trial=best-effort')).toMatchObject({ status: 0 })
    expect(await vm.run(command)).toMatchObject({ status: 0 })
    expect(await status()).toMatchObject({ outcome: 'cancelled' })
  }
})
