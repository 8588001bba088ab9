import { expect, test } from 'vitest'
import { blankDisk, examineDisk, findDisk } from './disk.ts'
import { json, machineForFile } from './guests.ts'

/** A service that takes two seconds to stop, and says so on a disk when it is done. */
const slowService = `[Unit]
Description=A service that is slow to stop
RequiresMountsFor=/mnt/data
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/busybox sh -c 'echo running > /mnt/data/service'
ExecStop=/usr/bin/busybox sh -c 'sleep 2; echo stopped in order > /mnt/data/service'
`

const machine = machineForFile(
  { memory: 1536, disks: [blankDisk()] },
  {
    userland: 'systemd',
    packages: ['e2fsprogs'],
    files: [{ path: '/etc/systemd/system/slow.service', data: slowService }],
  },
)

test('nothing loaded: reboot refuses, and systemd goes on', async () => {
  expect(await machine.vm.run('linux-kexec reboot')).toMatchObject({ status: 4 })
  expect((await machine.vm.run('systemctl is-active linux-kexec-vm')).stdout).toBe('active\n')
})

test('--dry-run tells the way through systemd, and stops nothing', async () => {
  await machine.vm.run('linux-kexec load newest')
  const { status, stdout } = await machine.vm.run('linux-kexec reboot --dry-run')
  expect(status).toBe(0)
  expect(stdout).toContain('kexec.target')
  expect((await machine.vm.run('systemctl is-active linux-kexec-vm')).stdout).toBe('active\n')
})

test('systemd stops the services in order, unmounts, and the planned kernel comes up, without kexec-tools', async () => {
  expect((await machine.vm.run('ls /sbin/kexec /usr/sbin/kexec')).status).not.toBe(0)
  const prepared = await machine.vm.run(`${findDisk}
    mkfs.ext4 -q $d && mkdir -p /mnt/data && mount $d /mnt/data && systemctl start slow.service`)
  expect(prepared).toMatchObject({ status: 0 })
  const { document } = await json(machine.vm, 'linux-kexec load newest --append marker=1')
  await machine.vm.spawn('linux-kexec reboot')
  const boot = await machine.vm.booted()
  expect(boot.release).toBe(machine.newer)
  expect(boot.commandLine).toBe(document.plan.cmdline)
  const { stdout } = await machine.vm.run(examineDisk)
  expect(stdout).toContain('stopped in order')
  expect(stdout).toMatch(/Filesystem state: +clean/)
  expect(stdout).not.toContain('needs_recovery')
  expect(stdout).toContain('fsck 0')
})
