import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspectFile } from '../../../src/image/inspect/open.ts'
import { kernelOf, makeTree, type Tree } from '../entries/tree.ts'

export const older = '6.1.0-50-cloud-amd64'
export const newer = '6.12.107+deb12-cloud-amd64'

/** What a Debian machine with two kernels has, running the older one. */
export const debian: Tree = {
  ...Object.fromEntries(
    [older, newer].flatMap((release) => [
      [`/boot/vmlinuz-${release}`, { kernel: release }],
      [`/boot/initrd.img-${release}`, 'initrd'],
      [`/usr/lib/modules/${release}`, 'directory'],
    ]),
  ),
  '/etc/os-release': { text: 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n' },
  '/proc/cmdline': { text: 'BOOT_IMAGE=/boot/vmlinuz-6.1.0-50-cloud-amd64 root=/dev/vda1 ro quiet\n' },
  '/proc/sys/kernel/osrelease': { text: `${older}\n` },
}

/** Makes a machine's root directory in which every kernel has the length that its header asks for; gone after the test. */
export function makeMachine(tree: Tree = debian): string {
  const root = makeTree(tree)
  for (const [path, content] of Object.entries(tree))
    if (typeof content === 'object' && 'kernel' in content) lengthen(join(root, path))
  return root
}

/**
 * A kernel's head as a file of full length, sparse behind the head. Its signature is behind it and not over zeros, so the head
 * names none any more: else the file would be a damaged one.
 */
export function lengthen(kernel: string): void {
  const size = inspectFile(kernel).minimumSize as number
  writeFileSync(kernel, unsigned(readFileSync(kernel)))
  truncateSync(kernel, size)
}

/** A kernel's head whose entry for the certificate table is empty: PE Format, "Optional Header Data Directories". */
export function unsigned(head: Buffer): Buffer {
  const bytes = Buffer.from(head)
  const entry = bytes.readUInt32LE(0x3c) + 24 + 112 + 4 * 8
  bytes.fill(0, entry, entry + 8)
  return bytes
}

export { kernelOf }
