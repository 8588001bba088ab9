import { cpSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Disk, GuestKernel } from '../../../src/vm/index.ts'
import type { DiskPlan } from '../boot-disk.ts'
import { RealGrub } from '../real-grub.ts'

// A disk as an updater has it: Debian's GRUB, /boot with the kernels of two slots, and a partition for what outlives them both.

const BOOT = 'b0075107-0000-4000-8000-000000000001'
const STATE = 'b0075107-0000-4000-8000-000000000002'
const MEBIBYTE = 1024 * 1024

const plan: DiskPlan = {
  table: 'msdos',
  partitions: [
    { type: 'ext4', uuid: BOOT, label: 'boot', directory: '/boot', top: '/', size: 192 * MEBIBYTE, journalled: true },
    { type: 'ext4', uuid: STATE, label: 'state', directory: '/state', top: '/', size: 32 * MEBIBYTE, journalled: true },
  ],
  prefix: '(hd0,msdos1)/grub',
  config: 'grub.cfg',
  firmware: 'pc',
}

/** By how GRUB chooses its default: the contents of its environment block before a trial. */
export const menus = {
  /** By saved_entry (GRUB_DEFAULT=saved), which names the old slot. */
  'saved-old': 'saved_entry=a\n',
  /** By saved_entry, which names the new slot: a trial needs --fallback. */
  'saved-new': 'saved_entry=b\n',
  /** The newest kernel, as on a Debian as it is installed, but for one boot (next_entry). */
  newest: 'newest=true\n',
} as const
export type MenuName = keyof typeof menus

/** An environment block as grub-editenv writes it. */
export function environmentBlock(variables: string): string {
  return `# GRUB Environment Block\n${variables}`.padEnd(1024, '#')
}

/** As grub-mkconfig writes it, with all that the menus above need; GRUB_TIMEOUT=0. */
const configuration = (older: string, newer: string) => `if [ -s $prefix/grubenv ]; then
  load_env
fi
if [ "\${next_entry}" ] ; then
  set default="\${next_entry}"
  set next_entry=
  save_env next_entry
  set boot_once=true
else
  if [ "\${newest}" ] ; then
    set default="b"
  else
    set default="\${saved_entry}"
  fi
fi
set timeout=0
${slot('a', older, 'watchdog.stop_on_reboot=0')}
${slot('b', newer, '')}
`

/** Kernels name themselves at this log level: ConsoleLog goes by that. */
const slot = (
  name: string,
  release: string,
  parameters: string,
) => `menuentry 'Slot ${name.toUpperCase()}' --id ${name} {
  insmod part_msdos
  insmod ext2
  search --no-floppy --fs-uuid --set=root ${BOOT}
  linux /vmlinuz-${release} root=UUID=${STATE} slot=${name} console=ttyS0 loglevel=6 nokaslr no_timer_check ${parameters}
  initrd /initrd.img-${release}
}`

/** Modules in GRUB's core image: what the configuration uses. */
const MODULES = 'part_msdos ext2 search search_fs_uuid normal configfile loadenv test linux boot minicmd echo'.split(
  ' ',
)

/** Writes a disk whose slot A has the first kernel and whose slot B the other, in a new directory. */
export async function slotDisk(kernels: readonly [GuestKernel, GuestKernel]): Promise<Disk & { directory: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'linux-kexec-slots-'))
  const path = join(directory, 'disk')
  const grub = await RealGrub.open()
  try {
    await grub.writeDisk(path, {
      modules: MODULES,
      // From here on GRUB is where grub-install would have pointed it.
      files: { 'grub.cfg': 'set root=hd0,msdos1\nset prefix=(hd0,msdos1)/grub\nconfigfile $prefix/grub.cfg\n' },
      plan,
      layTree: (tree) => layTree(tree, kernels),
    })
  } finally {
    grub.close()
  }
  return { path, readOnly: false, serial: 'slots', directory }
}

function layTree(tree: string, kernels: readonly [GuestKernel, GuestKernel]): void {
  const boot = join(tree, 'boot')
  mkdirSync(join(boot, 'grub'), { recursive: true })
  mkdirSync(join(tree, 'state'))
  for (const { release, kernel, initrd } of kernels) {
    cpSync(kernel, join(boot, `vmlinuz-${release}`))
    cpSync(initrd, join(boot, `initrd.img-${release}`))
  }
  const [older, newer] = kernels
  writeFileSync(join(boot, 'vmlinuz-hangs'), hanging(readFileSync(newer.kernel)))
  const initrd = readFileSync(newer.initrd)
  writeFileSync(join(boot, 'initrd-cut'), initrd.subarray(0, initrd.length / 2))
  writeFileSync(join(boot, 'initrd-damaged'), damaged(initrd))
  writeFileSync(join(boot, 'initrd-damaged.gz'), damaged(gzipSync(initrd, { level: 1 })))
  writeFileSync(join(boot, 'grub/grub.cfg'), configuration(older.release, newer.release))
  writeFileSync(join(boot, 'grub/grubenv'), environmentBlock(menus['saved-old']))
}

/** Still an archive by its first bytes. */
function damaged(archive: Buffer): Buffer {
  const middle = Math.floor(archive.length / 2)
  return Buffer.from(archive).fill(0xa5, middle, middle + 4096)
}

/**
 * A kernel that at its 64-bit entry point, 0x200 bytes into the protected-mode code (Documentation/arch/x86/boot.rst), switches
 * interrupts off and jumps to itself (cli; jmp .).
 */
function hanging(image: Buffer): Buffer {
  const changed = Buffer.from(image)
  changed.set([0xfa, 0xeb, 0xfe], ((image[0x1f1] as number) + 1) * 512 + 0x200)
  return changed
}

/** Shell for the guest's init: finds the disk's partitions and mounts them. */
export const mountSlotDisk = `for each in /sys/block/vd*; do
  [ "$(cat $each/serial)" = slots ] && slots=/dev/\${each##*/}
done
mkdir -p /boot /var/lib/linux-kexec
mount -t ext4 \${slots}1 /boot && mount -t ext4 \${slots}2 /var/lib/linux-kexec && chmod 700 /var/lib/linux-kexec
`
