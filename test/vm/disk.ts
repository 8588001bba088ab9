import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import type { Disk } from '../../src/vm/index.ts'

/** A blank disk that outlives the kernels of one test file; `mkfs.ext4` of e2fsprogs makes it a file system. @param size MiB */
export function blankDisk(size = 64): Disk {
  const directory = mkdtempSync(join(tmpdir(), 'linux-kexec-disk-'))
  afterAll(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'disk')
  writeFileSync(path, '')
  truncateSync(path, size * 1024 * 1024)
  return { path, readOnly: false, serial: 'data' }
}

/** Shell that sets $d to the disk's device in the guest. */
export const findDisk = `for b in /sys/block/vd*; do [ "$(cat $b/serial)" = data ] && d=/dev/\${b##*/}; done`

/** Shell that tells whether the file system was closed in order, and what a service wrote when it was stopped. */
export const examineDisk = `${findDisk}
  dumpe2fs -h $d 2>/dev/null | grep -E 'state|features'
  e2fsck -fn $d >/dev/null 2>&1; echo "fsck $?"
  mkdir -p /mnt/after && mount -o ro $d /mnt/after && cat /mnt/after/service`
