import { describe, expect, test } from 'vitest'
import type { Vm } from '../../src/vm/index.ts'
import { blankDisk, findDisk } from './disk.ts'
import { BOOT, json, machineForFile } from './guests.ts'

// The firmware boots the older kernel again after each reset; the records lie on a disk, which outlives it.

const grub = (release: string) => `set timeout=5
set default=old
menuentry 'Debian, as it was' --id old { linux /boot/vmlinuz-${release} root=/dev/vda1; initrd /boot/initrd.img-${release} }
`

const machine = machineForFile({ disks: [blankDisk()], firmwareReboot: 'allowed' }, { packages: ['e2fsprogs'] })

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

const status = async () => (await json(machine.vm, 'linux-kexec trial status')).document

test('without anything that would end a hang, the trial is refused, and nothing is loaded', async () => {
  const { vm } = machine
  await settle(vm)
  const { status: code, document } = await json(vm, 'linux-kexec load newest --trial')
  expect(code).toBe(3)
  expect(document.error).toMatchObject({ reason: 'no-guard', hint: expect.stringContaining('--trial=best-effort') })
  expect((await json(vm, 'linux-kexec status')).document.loaded).toBe(false)
  expect(await status()).toMatchObject({ trial: null })
})

describe('a good kernel', () => {
  test('runs on trial, is confirmed, and stays', async () => {
    const { vm } = machine
    const plan = await jump('--deadline 90')
    const boot = await vm.booted(BOOT)
    expect(boot).toMatchObject({ release: machine.newer, commandLine: plan.commandLine })
    await settle(vm)
    expect(await status()).toMatchObject({ outcome: 'running', trial: { id: plan.trial.id, state: 'started' } })
    const confirmed = await json(vm, 'linux-kexec trial confirm')
    expect(confirmed, confirmed.stderr).toMatchObject({ status: 0 })
    // Past the deadline the machine is still there.
    const past = await vm.run('until [ $(cut -d. -f1 /proc/uptime) -gt 95 ]; do sleep 1; done; uname -r', BOOT)
    expect(past.stdout.trim()).toBe(machine.newer)
    expect(await status()).toMatchObject({ outcome: 'confirmed', trial: { id: plan.trial.id, state: 'confirmed' } })
  })
})
