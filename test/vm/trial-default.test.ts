import { expect, test } from 'vitest'
import type { Vm } from '../../src/vm/index.ts'
import { blankDisk, findDisk } from './disk.ts'
import { BOOT, json, machineForFile } from './guests.ts'

// From the load to the new default on one machine. Its root does not outlive a kernel, so the disk keeps the directory of
// GRUB beside the records, and each kernel gets what the one before it left there.

const machine = machineForFile(
  { disks: [blankDisk()], firmwareReboot: 'after-panic', panicGrace: 120_000 },
  { packages: ['e2fsprogs'] },
)

/** As Debian's grub.cfg begins with GRUB_DEFAULT=saved. */
const header = `load_env
if [ "\${next_entry}" ] ; then
   set default="\${next_entry}"
   set next_entry=
   save_env next_entry
else
   set default="\${saved_entry}"
fi
set timeout=5
`

const entry = (id: string, release: string) =>
  `menuentry 'Debian ${id}' --id ${id} { linux /boot/vmlinuz-${release} LINE; initrd /boot/initrd.img-${release} }\n`

const block = (...lines: string[]) =>
  `# GRUB Environment Block\n${lines.map((line) => `${line}\n`).join('')}`.padEnd(1024, '#')

const settle = `${findDisk}
  mkdir -p /var/lib/linux-kexec /mnt/data && mount $d /mnt/data
  mkdir -p -m 700 /mnt/data/records && mount --bind /mnt/data/records /var/lib/linux-kexec
  mkdir -p /boot/grub && cp -a /mnt/data/grub/. /boot/grub/`

/** Makes the machine: the newer kernel is GRUB's default, as after its installation. */
async function install(vm: Vm): Promise<void> {
  const config = `${header}${entry('old', machine.older)}${entry('new', machine.newer)}`
  const result = await vm.run(`${findDisk}
    mkfs.ext4 -q $d && mkdir -p /mnt/data && mount $d /mnt/data && mkdir /mnt/data/grub && umount /mnt/data
    ${settle}
    cat > /tmp/cfg <<'CFG'\n${config}CFG
    sed "s|LINE|$(cat /proc/cmdline)|" /tmp/cfg > /boot/grub/grub.cfg
    printf %s '${block('a=1', 'saved_entry=new', 'b=2')}' > /boot/grub/grubenv`)
  expect(result, result.stderr).toMatchObject({ status: 0 })
}

const grubenv = async () => (await machine.vm.run('cat /boot/grub/grubenv')).stdout
const sums = async () => (await machine.vm.run('cd /boot/grub && sha256sum grub.cfg && ls')).stdout

test('load with a fallback, confirm as the new default, and repeat it', async () => {
  const { vm } = machine
  await install(vm)
  const others = await sums()
  const load = await json(vm, 'linux-kexec load new --trial=best-effort --fallback old', { deadline: 200_000 })
  expect(load, load.stderr).toMatchObject({ status: 0 })
  expect(await grubenv()).toBe(block('a=1', 'saved_entry=old', 'b=2'))
  await vm.run('cp -a /boot/grub/. /mnt/data/grub/')
  await vm.spawn('linux-kexec reboot --via direct')

  expect((await vm.booted(BOOT)).release).toBe(machine.newer)
  expect(await vm.run(settle)).toMatchObject({ status: 0 })
  const told = (await json(vm, 'linux-kexec trial')).document
  expect(told).toMatchObject({
    outcome: 'running',
    record: { target: { entry: { id: 'new', changed: null } }, fallback: { variable: 'saved_entry', value: 'old' } },
  })
  // A program that fails: the trial is confirmed, and the default is changed before.
  const directory = '/etc/linux-kexec/confirm.d'
  await vm.run(`mkdir -p ${directory} && printf '#!/bin/sh\\n[ -e /tmp/good ] || exit 7\\n
    echo "$LINUX_KEXEC_ENTRY $LINUX_KEXEC_DEFAULT"\\n' > ${directory}/10-mirror && chmod +x ${directory}/10-mirror`)
  const failed = await json(vm, 'linux-kexec trial confirm --make-default')
  expect(failed, failed.stderr).toMatchObject({ status: 1, document: { error: { reason: 'program-failed' } } })
  expect((await json(vm, 'linux-kexec trial')).document.outcome).toBe('confirmed')
  expect(await grubenv()).toBe(block('a=1', 'saved_entry=new', 'b=2'))

  const again = await json(vm, 'touch /tmp/good; linux-kexec trial confirm --make-default')
  expect(again, again.stderr).toMatchObject({
    status: 0,
    document: { outcome: 'confirmed', madeDefault: { entry: 'new', change: null } },
  })
  expect(again.document.programs[0]).toMatchObject({ name: '10-mirror', passed: true, output: 'new done\n' })
  expect(await grubenv()).toBe(block('a=1', 'saved_entry=new', 'b=2'))
  expect(await sums()).toBe(others)

  // The firmware of this machine boots the older kernel, whatever GRUB would do: there it cannot be repeated.
  await vm.spawn('reboot -f')
  expect((await vm.booted(BOOT)).release).toBe(machine.older)
  expect(await vm.run(settle)).toMatchObject({ status: 0 })
  const elsewhere = await json(vm, 'linux-kexec trial confirm --make-default')
  expect(elsewhere).toMatchObject({ status: 4, document: { error: { reason: 'no-trial' } } })
})
