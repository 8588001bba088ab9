import { expect, test } from 'vitest'
import { busyboxInit } from '../../src/vm/initramfs/scripts.ts'
import { blankDisk, examineDisk, findDisk } from './disk.ts'
import { machineForFile } from './guests.ts'
import { consoleSays } from './inits/conduct.ts'

/** A PID 1 that becomes linux-kexec when it is told to. */
const becoming = busyboxInit.replace(
  'trap : CHLD',
  "trap 'exec linux-kexec reboot >/dev/console 2>&1' USR1\ntrap : CHLD",
)

const machine = machineForFile(
  { disks: [blankDisk()] },
  { packages: ['e2fsprogs'], files: [{ path: '/sbin/init', data: becoming, mode: 0o755 }] },
)

test('reboot --via direct lets processes finish, and leaves a file system that needs no recovery', async () => {
  const prepared = await machine.vm.run(`${findDisk}
    mkfs.ext4 -q $d && mkdir -p /mnt/data && mount $d /mnt/data
    cat > /root/service <<'END'
#!/bin/sh
trap 'sleep 0.5; echo stopped in order > /mnt/data/service; exit 0' TERM
echo running > /mnt/data/service
while :; do sleep 0.2; done
END
    chmod +x /root/service
    setsid /root/service </dev/null >/dev/null 2>&1 &
    # A process that ignores TERM and keeps a file open for writing has to be killed.
    setsid sh -c 'trap "" TERM; exec 7>/mnt/data/held; while :; do sleep 1; done' </dev/null >/dev/null 2>&1 &
    until [ -s /mnt/data/service ] && [ -e /mnt/data/held ]; do sleep 0.1; done
    linux-kexec load newest`)
  expect(prepared).toMatchObject({ status: 0 })
  await machine.vm.spawn('linux-kexec reboot --via direct --deadline 5')
  const boot = await machine.vm.booted()
  expect(boot.release).toBe(machine.newer)
  const { stdout } = await machine.vm.run(examineDisk)
  expect(stdout).toMatch(/Filesystem state: +clean/)
  expect(stdout).not.toContain('needs_recovery')
  expect(stdout).toContain('fsck 0')
  expect(stdout).toContain('stopped in order')
  const [first] = machine.vm.console
  expect(first?.text).toContain('sending SIGKILL')
})

test('exec --no-sync jumps at once', async () => {
  const prepared = await machine.vm.run(`linux-kexec load ${machine.older}`)
  expect(prepared).toMatchObject({ status: 0 })
  await machine.vm.spawn('linux-kexec exec --no-sync')
  expect((await machine.vm.booted()).release).toBe(machine.older)
})

test('a PID 1 that becomes linux-kexec goes the direct way; where it cannot, it stays, or the kernel would panic', async () => {
  await machine.vm.run(`linux-kexec load ${machine.newer}`)
  await machine.vm.spawn('kill -USR1 1')
  expect((await machine.vm.booted()).release).toBe(machine.newer)
  const waits = consoleSays(machine.vm, 'linux-kexec is PID 1 and waits')
  await machine.vm.spawn('kill -USR1 1')
  await waits
  expect((await machine.vm.run('cat /proc/1/cmdline')).stdout).toContain('linux-kexec')
})
