import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type ByteSource, memoryBytes } from '../../../src/bytes/bytes.ts'
import { buildIdIn } from '../../../src/bytes/elf-notes.ts'
import { HEAD_BYTES, inspectImage } from '../../../src/image/formats/inspect.ts'
import { readBuildId } from '../../../src/image/unpack/build-id.ts'
import { debianKernel } from '../engine/layout/machines.ts'
import { unsigned } from '../plan/debian.ts'
import { arm64Image } from './tools.ts'

const ID = '7f76f39faf07f34cfa9fadd801e131bfa8cb6dc3'

/** A note of an ELF file. */
function note(name: string, type: number, content: Buffer): Buffer {
  const bytes = Buffer.alloc(12 + Math.ceil((name.length + 1) / 4) * 4 + Math.ceil(content.length / 4) * 4)
  bytes.writeUInt32LE(name.length + 1, 0)
  bytes.writeUInt32LE(content.length, 4)
  bytes.writeUInt32LE(type, 8)
  bytes.write(name, 12)
  content.copy(bytes, 12 + Math.ceil((name.length + 1) / 4) * 4)
  return bytes
}

const buildId = note('GNU', 3, Buffer.from(ID, 'hex'))
/** As Debian's kernels have them: others of GNU and of other names, with padding. */
const notes = Buffer.concat([note('Xen', 6, Buffer.from('linux\0')), note('GNU', 1, Buffer.alloc(16)), buildId])

/** An ELF file for x86_64 of 64 bits, with notes at an offset and nothing else. */
function elf(at: number, content: Buffer = notes): Buffer {
  const bytes = Buffer.alloc(at + content.length + 5000)
  bytes.write('\x7fELF\x02\x01\x01', 'latin1')
  bytes.writeUInt16LE(2, 16)
  bytes.writeUInt16LE(62, 18)
  bytes.writeBigUInt64LE(0xffffffff81000000n, 24)
  bytes.writeBigUInt64LE(64n, 32)
  bytes.writeUInt16LE(56, 54)
  bytes.writeUInt16LE(2, 56)
  bytes.writeUInt32LE(1, 64)
  bytes.writeUInt32LE(4, 120)
  bytes.writeBigUInt64LE(BigInt(at), 128)
  bytes.writeBigUInt64LE(BigInt(content.length), 152)
  content.copy(bytes, at)
  return bytes
}

/** Debian's kernel, with this in place of what it unpacks. */
function bzImageOf(payload: Buffer): Buffer {
  const { bytes, header } = debianKernel()
  const image = unsigned(bytes)
  payload.copy(image, header.payload?.offset)
  image.writeUInt32LE(payload.length, 0x24c)
  return image
}

const buildIdOf = (bytes: Buffer) => {
  const source: ByteSource = memoryBytes(bytes)
  return readBuildId(source, inspectImage(bytes.subarray(0, HEAD_BYTES), bytes.length, source))
}

describe('the build id', () => {
  test.each([200, 4090, 3_000_000])('of a vmlinux, and of one inside a bzImage, with its notes at %i', async (at) => {
    expect(await buildIdOf(elf(at))).toBe(ID)
    expect(await buildIdOf(bzImageOf(gzipSync(elf(at))))).toBe(ID)
  })

  test('is unknown where the notes have none, are cut off, or say that they are longer than they are', async () => {
    expect(await buildIdOf(elf(200, note('GNU', 1, Buffer.alloc(16))))).toBeNull()
    expect(await buildIdOf(elf(200, note('gnu', 3, Buffer.alloc(20))))).toBeNull()
    expect(await buildIdOf(elf(4090).subarray(0, 4100))).toBeNull()
    const endless = Buffer.from(buildId)
    endless.writeUInt32LE(0xffffffff, 4)
    expect(await buildIdOf(elf(200, endless))).toBeNull()
    endless.writeUInt32LE(0xffffffff, 0)
    expect(await buildIdOf(elf(200, endless))).toBeNull()
  })

  test('is unknown for a damaged payload, one that is not ELF, and an Image, which has no table', async () => {
    const packed = gzipSync(elf(3_000_000))
    expect(await buildIdOf(bzImageOf(packed.subarray(0, packed.length / 2)))).toBeNull()
    expect(await buildIdOf(bzImageOf(gzipSync(Buffer.alloc(100_000, 'x'))))).toBeNull()
    expect(await buildIdOf(bzImageOf(gzipSync(Buffer.alloc(100))))).toBeNull()
    expect(await buildIdOf(Buffer.concat([arm64Image(), notes]))).toBeNull()
  })
})

test('notes of a machine with the other byte order are read as well', () => {
  const bytes = Buffer.from(buildId)
  for (const at of [0, 4, 8]) bytes.writeUInt32BE(buildId.readUInt32LE(at), at)
  expect(buildIdIn(bytes, 'big')).toBe(ID)
  expect(buildIdIn(bytes, 'little')).toBeNull()
})
