import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { onTestFinished } from 'vitest'
import type { IdentifyKernel } from '../../../src/entries/names/identify.ts'
import { cpioTrailer } from '../../../src/initrd/cpio.ts'
import { System } from '../../../src/system/system.ts'
import { readSentences } from './sentences.ts'

/** What stands at a path of a tree. */
export type Content =
  | { readonly kernel: string }
  | { readonly text: string }
  | { readonly link: string }
  | { readonly file: Buffer }
  | 'initrd'
  | 'empty'
  | 'gzip'
  | 'directory'
  | 'fifo'

export type Tree = Readonly<Record<string, Content>>

export const realHeads = {
  '6.1.0-50-cloud-amd64': head('vmlinuz-6.1.0-50-cloud-amd64.head'),
  '6.12.107+deb12-cloud-amd64': head('vmlinuz-6.12.107+deb12-cloud-amd64.head'),
}

function head(name: string): Buffer {
  return readFileSync(join(import.meta.dirname, '../../fixtures/kernels', name))
}

/** Debian's kernel head with another release in it. */
export function kernelOf(release: string): Buffer {
  const bytes = Buffer.from(realHeads['6.1.0-50-cloud-amd64'])
  bytes.write(`${release} (builder@example.org) #1 SMP\0`, bytes.readUInt16LE(0x20e) + 0x200, 'latin1')
  return bytes
}

/** Makes a directory with these files, gone again when the test is over. @returns its path. */
export function makeTree(tree: Tree): string {
  const root = mkdtempSync(join(tmpdir(), 'linux-kexec-tree-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  for (const [path, content] of Object.entries(tree)) {
    const host = join(root, path)
    mkdirSync(dirname(host), { recursive: true })
    place(host, content)
  }
  return root
}

function place(host: string, content: Content): void {
  if (content === 'directory') mkdirSync(host)
  else if (content === 'fifo') execFileSync('mkfifo', [host])
  else if (content === 'empty') writeFileSync(host, '')
  else if (content === 'gzip') writeFileSync(host, gzipSync('some text'))
  else if (content === 'initrd') writeFileSync(host, emptyArchive)
  else if ('link' in content) symlinkSync(content.link, host)
  else if ('kernel' in content) writeFileSync(host, kernelOf(content.kernel))
  else if ('text' in content) writeFileSync(host, content.text)
  else writeFileSync(host, content.file)
}

/** An initrd that has nothing in it, 124 bytes. */
export const emptyArchive = cpioTrailer()

/** Several files of one content: `files('initrd', '/boot/a', '/boot/b')`. */
export function files(content: Content, ...paths: string[]): Tree {
  return Object.fromEntries(paths.map((path) => [path, content]))
}

/** Kernels by path, named with the release they carry. */
export function kernels(directory: string, prefix: string, ...releases: string[]): Tree {
  return Object.fromEntries(releases.map((release) => [`${directory}/${prefix}${release}`, { kernel: release }]))
}

/** The little of the x86 boot protocol that these trees need; src/image does it in full. */
export const identify: IdentifyKernel = (bytes) => {
  if (bytes.toString('latin1', 0x202, 0x206) !== 'HdrS') {
    const description = bytes.readUInt16BE(0) === 0x1f8b ? 'gzip-compressed data' : 'data of no known kind'
    return { architecture: null, version: null, bootable: false, description }
  }
  const start = bytes.readUInt16LE(0x20e) + 0x200
  const version = bytes.toString('latin1', start, bytes.indexOf(0, start)).split(' ')[0] as string
  return { architecture: 'x86_64', version, bootable: true, description: 'Linux x86 boot executable' }
}

/** The entries of a tree, with the sentences of their problems. */
export async function discoverTree(tree: Tree) {
  const { entries } = await readSentences({ system: new System(makeTree(tree)), identify })
  return entries
}

/** What a test of a distribution looks at. */
export function summary(entries: Awaited<ReturnType<typeof discoverTree>>) {
  return entries.map(({ kernel, initrds, version, problems }) => ({ kernel, initrds, version, problems }))
}
