import { magicAt } from '../image/image.ts'

/** Reads the number at an offset as the machine would that made the file system; undefined beyond the end. */
function numberAt(head: Buffer, offset: number): number | undefined {
  return offset + 4 <= head.length ? head.readUInt32LE(offset) : undefined
}

const MINIX = [0x137f, 0x138f, 0x2468, 0x2478]

/** With an article. Magic numbers: include/uapi/linux/magic.h and the file systems' own headers. */
const fileSystems: readonly (readonly [name: string, recognise: (head: Buffer) => boolean])[] = [
  ['a romfs', (head) => magicAt(head, 0, '-rom1fs-')],
  ['a squashfs', (head) => magicAt(head, 0, 'hsqs') || magicAt(head, 0, 'sqsh')],
  ['a cramfs', (head) => [0, 512].some((offset) => numberAt(head, offset) === 0x28cd3d45)],
  ['an ext2, ext3 or ext4', (head) => ((numberAt(head, 0x438) ?? 0) & 0xffff) === 0xef53],
  ['a minix', (head) => MINIX.includes((numberAt(head, 0x410) ?? 0) & 0xffff)],
]

/**
 * The file system whose image begins with `head`, of those the kernel loads into a RAM disk (identify_ramdisk_image() of
 * init/do_mounts_rd.c); null for anything else.
 */
export function fileSystemOf(head: Buffer): string | null {
  return fileSystems.find(([, recognise]) => recognise(head))?.[0] ?? null
}
