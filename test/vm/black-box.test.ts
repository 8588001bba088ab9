import { expect, test } from 'vitest'
import type { Vm } from '../../src/vm/index.ts'
import { blankDisk, findDisk } from './disk.ts'
import { BOOT, json, machineForFile } from './guests.ts'

// The last messages of a kernel on trial, in memory that outlives the reset: Debian's kernels, whose ramoops is a module.

const ADDRESS = 0x10000000
const SIZE = 0x100000
const OPTIONS = `mem_address=0x${ADDRESS.toString(16)} mem_size=0x${SIZE.toString(16)} ecc=1`

/** As an administrator reserves the memory in the boot loader's configuration. */
const reserving = `memmap=1M$0x${ADDRESS.toString(16)} ${OPTIONS.replaceAll(/(^| )/g, '$1ramoops.')}`

/** Files for the initrd, in place of its own /init. */
const inits = {
  panics: '#!/bin/sh\nexit 7\n',
  sleeps: '#!/bin/sh\nwhile :; do sleep 1000; done\n',
}

const machine = machineForFile(
  { disks: [blankDisk()], firmwareReboot: 'after-panic', panicGrace: 120_000, append: reserving },
  {
    packages: ['e2fsprogs'],
    modules: ['ramoops'],
    files: Object.entries(inits).map(([name, data]) => ({ path: `/opt/${name}`, data, mode: 0o755 })),
  },
)

const grub = (release: string) => `set timeout=5
set default=old
menuentry 'Debian, as it was' --id old { linux /boot/vmlinuz-${release} root=/dev/vda1; initrd /boot/initrd.img-${release} }
`

/** What the boot scripts of an installed system do: the disk, ramoops, pstore. */
async function settle(vm: Vm): Promise<void> {
  const result = await vm.run(`${findDisk}
    blkid $d >/dev/null 2>&1 || mkfs.ext4 -q $d
    mkdir -p /var/lib/linux-kexec /boot/grub && mount $d /var/lib/linux-kexec && chmod 700 /var/lib/linux-kexec
    cat > /boot/grub/grub.cfg <<'CFG'\n${grub(machine.older)}CFG
    for release in /usr/lib/modules/*; do depmod \${release##*/} || exit 1; done
    cd /usr/lib/modules/$(uname -r)/kernel && insmod reed_solomon.ko && insmod ramoops.ko ${OPTIONS} &&
      mount -t pstore pstore /sys/fs/pstore && cat /sys/module/pstore/parameters/backend`)
  expect(result, result.stderr).toMatchObject({ status: 0, stdout: 'ramoops\n' })
}

/** Loads the newer kernel on trial, starts it, and waits for the older one. @returns the plan and what is shown of the trial */
async function fail(options: string) {
  const { vm } = machine
  const load = await json(vm, `linux-kexec load newest --trial=best-effort ${options}`, { deadline: 200_000 })
  expect(load, load.stderr).toMatchObject({ status: 0 })
  const { plan } = load.document
  expect(plan.decisions).toContainEqual({
    subject: 'trial',
    choice: 'if it dies: its last messages are kept in 1024 KiB at 0x10000000 (ramoops)',
    reason: expect.stringContaining('the deadman loads ramoops before init'),
  })
  const { record } = (await json(vm, 'linux-kexec trial status')).document
  expect(record.target.buildId).toMatch(/^[0-9a-f]{40}$/)
  await vm.spawn('linux-kexec reboot --via direct')
  expect((await vm.booted(BOOT)).release).toBe(machine.older)
  await settle(vm)
  return { plan, status: (await json(vm, 'linux-kexec trial status')).document }
}

test('a kernel that panics before userspace leaves its last messages to the one that the reset boots', async () => {
  await settle(machine.vm)
  const { plan, status } = await fail('--overlay /opt/panics:/init')
  expect(status).toMatchObject({ outcome: 'taken-back', record: { id: plan.trial.id } })
  expect(status.lastLines?.path).toMatch(/^\/sys\/fs\/pstore\/dmesg-ramoops-/)
  expect(status.lastLines.lines.join('\n')).toContain('Kernel panic - not syncing: Attempted to kill init!')
  expect(status.progress).toMatchObject({ stage: 'init', path: status.lastLines?.path })
  const shown = await machine.vm.run('linux-kexec trial; linux-kexec doctor')
  expect(shown.stdout).toContain('taken back, and not confirmed: its kernel and its init ran')
  expect(shown.stdout).toContain('Attempted to kill init!')
  expect(shown.stdout).toContain('The last messages of its kernel are in /sys/fs/pstore/dmesg-ramoops-')
})

test('one whose time is over leaves the line of its deadman', async () => {
  await machine.vm.run('rm /sys/fs/pstore/*')
  const { plan, status } = await fail('--deadline 30 --overlay /opt/sleeps:/init')
  expect(status.outcome).toBe('taken-back')
  expect(status.lastLines.lines.join('\n')).toContain(`trial ${plan.trial.id}: not confirmed within 30 s`)
  expect(status.progress).toMatchObject({ stage: 'init', path: status.lastLines.path })
})
