import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { machineForFile } from './guests.ts'

const folder = mkdtempSync(join(tmpdir(), 'linux-kexec-disk-'))
const disk = join(folder, 'disk')
const fd = openSync(disk, 'w')
ftruncateSync(fd, 64 * 1024 * 1024)
closeSync(fd)
afterAll(() => rmSync(folder, { recursive: true }))

const machine = machineForFile(
  { disks: [{ path: disk, readOnly: false, serial: 'data' }] },
  { packages: ['e2fsprogs'] },
)

const findDisk = 'for b in /sys/block/vd*; do [ "$(cat $b/serial)" = data ] && d=/dev/${b##*/}; done'

test('reboot --via direct lets processes finish, and leaves a file system that needs no recovery', async () => {
  const prepared = await machine.vm.run(`${findDisk}
    mkfs.ext4 -q $d && mkdir -p /mnt/data && mount $d /mnt/data
    cat > /root/service <<'END'
#!/bin/sh
trap 'sleep 2; echo stopped in order > /mnt/data/service; exit 0' TERM
echo running > /mnt/data/service
while :; do sleep 1; done
END
    chmod +x /root/service
    setsid /root/service </dev/null >/dev/null 2>&1 &
    # A process that ignores TERM and keeps a file open for writing has to be killed.
    setsid sh -c 'trap "" TERM; exec 7>/mnt/data/held; while :; do sleep 1; done' </dev/null >/dev/null 2>&1 &
    until [ -s /mnt/data/service ] && [ -e /mnt/data/held ]; do sleep 0.1; done
    linux-kexec load newest`)
  expect(prepared).toMatchObject({ status: 0 })
  await machine.vm.spawn('linux-kexec reboot --via direct')
  const boot = await machine.vm.booted({ deadline: 150_000 })
  expect(boot.release).toBe(machine.newer)
  const after = await machine.vm.run(`${findDisk}
    dumpe2fs -h $d 2>/dev/null | grep -E 'state|features'
    e2fsck -fn $d; echo "fsck $?"
    mount $d /mnt && cat /mnt/service && dmesg | grep -ci 'recover'`)
  expect(after.stdout).toMatch(/Filesystem state: +clean/)
  expect(after.stdout).not.toContain('needs_recovery')
  expect(after.stdout).toContain('fsck 0')
  expect(after.stdout).toContain('stopped in order')
})
