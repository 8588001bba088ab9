import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { writeCpio } from '../../../src/vm/initramfs/cpio.ts'

/** What makes an initrd end in a panic: an archive to put behind it, with another /init. @returns a file of the host */
export async function initThatExits(): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'linux-kexec-bad-'))
  afterAll(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'bad.cpio')
  await writeCpio(path, [{ path: '/init', data: '#!/bin/sh\nexit 7\n', mode: 0o755 }])
  return path
}

/** Shell that makes the menu of a boot loader that starts a kernel of /boot, as the firmware of these machines does. */
export const makeMenu = (release: string, parameters = '') => `mkdir -p /boot/grub
cat > /boot/grub/grub.cfg <<'CFG'
set timeout=5
set default=old
menuentry 'as it was' --id old { linux /boot/vmlinuz-${release} ${parameters}; initrd /boot/initrd.img-${release} }
CFG`
