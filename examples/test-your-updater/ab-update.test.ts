import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildGuest, type Disk, newestKernels, type Vm } from 'linux-kexec/vm'
import { vmTest } from 'linux-kexec/vm/vitest'
import { afterAll, expect } from 'vitest'

const directory = mkdtempSync(join(tmpdir(), 'ab-update-'))
afterAll(() => rmSync(directory, { recursive: true }))

// The updater as its users install it, with linux-kexec inside.
execFileSync('npm', ['pack', '--silent', '--pack-destination', directory])

const kernels = await newestKernels()
const [a, b] = kernels.map(({ release }) => release) as [string, string]

const grubConfiguration = `set timeout=5
menuentry 'Slot A' { linux /boot/vmlinuz-${a}; initrd /boot/initrd.img-${a} }
`

const guest = await buildGuest({
  kernels,
  tarball: join(directory, 'ab-updater-1.0.0.tgz'),
  packages: ['e2fsprogs'],
  files: [
    // What a reset boots: a trial is refused where that is unknown.
    { path: '/boot/grub/grub.cfg', data: grubConfiguration },
    // The guest's root is in memory, so records of trials lie on the data disk.
    { path: '/etc/linux-kexec/state-directory', data: '/data/linux-kexec\n' },
  ],
})

/** A disk that outlives the kernels of the machine. */
function dataDisk(): Disk {
  const path = join(directory, 'data')
  writeFileSync(path, '')
  truncateSync(path, 256 * 1024 * 1024)
  return { path, readOnly: false, serial: 'data' }
}

/** One machine for both tests. It begins in slot A, and each reset leads there again, even after a panic. */
const machine = { guest, disks: [dataDisk()], firmwareReboot: 'after-panic', panicGrace: 120_000 } as const
const test = vmTest(machine, { scope: 'file' })

/** Runs a script that must succeed. @returns its output */
async function run(vm: Vm, script: string): Promise<string> {
  const { status, stdout, stderr } = await vm.run(`set -e\n${script}`)
  expect({ script, status, stderr }).toEqual({ script, status: 0, stderr: '' })
  return stdout
}

const findDisk = `for disk in /sys/block/vd*; do [ "$(cat $disk/serial)" = data ] && device=/dev/\${disk##*/}; done`

/** As a machine's fstab does it at each boot. */
const mountData = `${findDisk}
  mkdir /data && mount $device /data && mkdir -p -m 700 /data/linux-kexec`

/** A new machine, with both slots as the updater has written them. */
const setUp = `${findDisk}
  mkfs.ext4 -q $device
  ${mountData}
  mkdir -p /data/slots/a /data/slots/b
  cp /boot/vmlinuz-${a} /data/slots/a/kernel && cp /boot/initrd.img-${a} /data/slots/a/initrd
  cp /boot/vmlinuz-${b} /data/slots/b/kernel && cp /boot/initrd.img-${b} /data/slots/b/initrd`

const state = async (vm: Vm) => JSON.parse(await run(vm, 'cat /data/state.json'))

test('a broken slot B comes back to slot A, and is marked', async ({ vm, boot }) => {
  expect(boot.release).toBe(a)
  await run(vm, setUp)
  // An archive behind the initrd replaces its /init by one that ends, so the kernel panics.
  await run(
    vm,
    `cd /tmp && printf '#!/bin/sh\\nexit 7\\n' > init && chmod 755 init
    echo init | cpio -o -H newc >> /data/slots/b/initrd 2>/dev/null`,
  )

  await vm.spawn('ab-update try')
  expect(await vm.booted()).toMatchObject({ release: a, startedBy: 'firmware' })
  expect(vm.console.map(({ release }) => release)).toContain(b)

  expect(await run(vm, `${mountData}\nab-update after-boot`)).toContain('slot b was taken back')
  expect(await state(vm)).toEqual({ current: 'a', failed: 'b', trying: null })
})

test('a repaired slot B comes up, and is kept', async ({ vm }) => {
  await run(vm, `cp /boot/initrd.img-${b} /data/slots/b/initrd`)

  await vm.spawn('ab-update try')
  await expect(vm).toHaveKexecedInto(b)

  await run(vm, `${mountData}\nab-update after-boot`)
  expect(await run(vm, 'cat /proc/cmdline')).toContain('slot=b')
  expect(await state(vm)).toEqual({ current: 'b', failed: null, trying: null })
  await expect(await vm.stop()).toHaveOutcome('passed')
})
