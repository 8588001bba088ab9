import { execFileSync } from 'node:child_process'
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { fileBytes, memoryBytes } from '../../../src/bytes/bytes.ts'
import {
  type ExtractedKernel,
  type ExtractOptions,
  extractKernel,
  readPart,
} from '../../../src/image/unpack/extract.ts'
import type { LocatedPart } from '../../../src/image/unpack/nested.ts'

/** A directory of this file's tests. */
export const directory = mkdtempSync(join(tmpdir(), 'linux-kexec-image-'))
afterAll(() => rmSync(directory, { recursive: true }))

export const path = (name: string) => join(directory, name)

export function file(name: string, bytes: string | Buffer): string {
  writeFileSync(path(name), bytes)
  return path(name)
}

/** Runs a program that makes images, and gives what it printed. It must be installed: scripts/programs.mjs says by what. */
export function tool(program: string, args: readonly string[], input?: Buffer): Buffer {
  return execFileSync(program, args, {
    cwd: directory,
    maxBuffer: 1 << 30,
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(input === undefined ? {} : { input }),
  })
}

/** Compresses as a shell would: from standard input to standard output. */
export function packed(bytes: Buffer, program: string, ...args: string[]): Buffer {
  if (bytes !== content) return tool(program, [...args, '-c'], bytes)
  const key = [program, ...args].join(' ')
  const known = made.get(key) ?? tool(program, [...args, '-c'], bytes)
  made.set(key, known)
  return known
}

/** Of `content`, since compressors take their time. */
const made = new Map<string, Buffer>()

/** Machine code and text, 1.5 MiB of this Node: what compressors and branch filters meet. */
export const content = readFileSync(nodeItself()).subarray(30_000_000, 31_500_000)

/** The program; of Debian's Node, which is 26 KB, the library that it is in. */
function nodeItself(): string {
  const isLarge = (path: string) => (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 31_500_000
  if (isLarge(process.execPath)) return process.execPath
  const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: readonly string[] }
  const library = sharedObjects.find(isLarge)
  if (library === undefined) throw new Error(`neither ${process.execPath} nor a library of it is large enough`)
  return library
}

/** An arm64 Image: the header of Documentation/arch/arm64/booting.rst before machine code and a version line. */
export function arm64Image(): Buffer {
  const image = Buffer.concat([Buffer.alloc(64), content, Buffer.from('Linux version 6.6.1-test (me@here) #1 SMP\n\0')])
  image.writeBigUInt64LE(BigInt(image.length), 16)
  image.writeBigUInt64LE(0b1010n, 24)
  image.write('ARM\x64', 56, 'latin1')
  return image
}

/** The header that drivers/firmware/efi/libstub/zboot-header.S puts before a payload. The size stands behind it. */
export function zboot(payload: Buffer, compression: string, unpackedSize: number): Buffer {
  const head = Buffer.alloc(0x200)
  head.write('MZ\0\0zimg', 0, 'latin1')
  head.writeUInt32LE(head.length, 8)
  head.writeUInt32LE(payload.length, 12)
  head.write(compression, 0x18, 'latin1')
  head.writeUInt32LE(0x818223cd, 0x38)
  head.writeUInt32LE(0x40, 0x3c)
  head.write('PE\0\0', 0x40, 'latin1')
  head.writeUInt16LE(0xaa64, 0x44)
  // An optional header of PE32+ for an EFI application, with 16 data directories and no section.
  head.writeUInt16LE(240, 0x54)
  head.writeUInt16LE(0x20b, 0x58)
  head.writeUInt32LE(head.length, 0x58 + 60)
  head.writeUInt16LE(10, 0x58 + 68)
  head.writeUInt32LE(16, 0x58 + 108)
  const size = Buffer.alloc(4)
  size.writeUInt32LE(unpackedSize)
  return Buffer.concat([head, payload, size])
}

export interface Unpacked extends ExtractedKernel {
  readonly bytes: Buffer
}

/** Unpacks, reads what came out through its descriptor, and frees it. */
export async function unpack(image: Buffer, options: ExtractOptions = {}): Promise<Unpacked> {
  const kernel = await extractKernel(memoryBytes(image), options)
  try {
    const bytes = Buffer.from(fileBytes(kernel.fd, kernel.size).read(0, fstatSync(kernel.fd).size))
    return { ...kernel, bytes }
  } finally {
    kernel.close()
  }
}

export async function bytesOf(part: LocatedPart | undefined): Promise<Buffer> {
  if (part === undefined) throw new Error('there is no such part')
  const chunks: Buffer[] = []
  for await (const chunk of readPart(part)) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

/** With a descriptor that is closed afterwards. */
export async function withFile<Result>(
  name: string,
  use: (fd: number, size: number) => Promise<Result>,
): Promise<Result> {
  const fd = openSync(name, 'r')
  try {
    return await use(fd, fstatSync(fd).size)
  } finally {
    closeSync(fd)
  }
}
