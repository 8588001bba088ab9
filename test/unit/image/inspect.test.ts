import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { HEAD_BYTES, inspectImage } from '../../../src/image/formats/inspect.ts'
import { inspectFile } from '../../../src/image/inspect/open.ts'

// The first 20 KiB of Debian's signed kernels: test/fixtures/kernels/README.md tells how they were cut.
const head = (name: string) => readFileSync(`test/fixtures/kernels/${name}`)
const describe = (bytes: Buffer) => inspectImage(bytes.subarray(0, HEAD_BYTES), bytes.length)

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'linux-kexec-image-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

test('a Debian kernel is told from its head alone', () => {
  expect(inspectImage(head('vmlinuz-6.1.0-50-cloud-amd64.head'), 14_186_432)).toMatchObject({
    format: 'bzImage',
    bootable: true,
    architecture: 'x86_64',
    maxCommandLine: 2016,
    signature: 'present',
    relocatable: true,
    version: expect.stringMatching(/^6\.1\.0-\d+-cloud-amd64$/),
    problems: [],
  })
})

test('a kernel shorter than its header says is truncated', () => {
  const image = inspectImage(head('vmlinuz-6.1.0-50-cloud-amd64.head'), 1_000_000)
  expect(image.bootable).toBe(false)
  expect(image.problems.join()).toContain('truncated')
})

test('a 32-bit kernel is refused for its missing 64-bit entry point', () => {
  const bytes = Buffer.from(head('vmlinuz-6.1.0-50-cloud-amd64.head'))
  bytes.writeUInt16LE(0, 0x236)
  expect(inspectImage(bytes, 20_000_000)).toMatchObject({ architecture: 'i386', bootable: false })
})

test('an unsigned kernel is told from a signed one by its certificate table', () => {
  const bytes = Buffer.from(head('vmlinuz-6.1.0-50-cloud-amd64.head'))
  const certificateTable = bytes.readUInt32LE(0x3c) + 24 + 112 + 4 * 8
  bytes.fill(0, certificateTable, certificateTable + 8)
  expect(inspectImage(bytes, 20_000_000).signature).toBe('absent')
})

test('what is not a kernel is named for what it is', () => {
  expect(describe(gzipSync('kernel')).description).toBe('gzip-compressed data')
  expect(describe(Buffer.alloc(0)).description).toBe('an empty file')
  expect(describe(Buffer.from('#!/bin/sh\n')).description).toBe('a script')
  expect(describe(Buffer.from('root=/dev/vda ro\n')).description).toBe('a text file')
  expect(describe(Buffer.from([0, 1, 2, 3])).description).toBe('data of an unknown format')
  expect(describe(Buffer.from('070701')).description).toContain('cpio archive')
  const running = readFileSync(process.execPath).subarray(0, HEAD_BYTES)
  expect(describe(running).description).toMatch(/^an ELF (x86-64|aarch64) executable/)
})

test('an EFI program is not taken for a kernel', () => {
  const bytes = Buffer.from(head('vmlinuz-6.1.0-50-cloud-amd64.head'))
  bytes.fill(0, 0x202, 0x206)
  expect(describe(bytes).description).toBe('a PE executable for x86_64 without a Linux boot header')
})

test('directories and devices are named, and a missing file is an error with its reason', () => {
  expect(inspectFile(directory).description).toBe('a directory')
  expect(inspectFile('/dev/null').description).toBe('a character device')
  writeFileSync(join(directory, 'empty'), '')
  expect(inspectFile(join(directory, 'empty')).description).toBe('an empty file')
  expect(() => inspectFile(join(directory, 'nothing'))).toThrow(
    expect.objectContaining({ reason: 'not-found', code: 'ENOENT', refused: true }),
  )
  expect(() => inspectFile(join(directory, 'empty', 'x'))).toThrow(
    expect.objectContaining({ reason: 'not-found', code: 'ENOTDIR' }),
  )
})

test('no bytes make inspection fail', () => {
  const real = head('vmlinuz-6.1.0-50-cloud-amd64.head')
  const damaged = fc
    .tuple(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 0x400 }), fc.integer({ min: 0, max: 255 }))),
      fc.nat(real.length),
    )
    .map(([changes, length]) => {
      const bytes = Buffer.from(real.subarray(0, length))
      for (const [offset, value] of changes) if (offset < bytes.length) bytes[offset] = value
      return bytes
    })
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 2000 }).map(Buffer.from)), (bytes) => {
      expect(describe(bytes).description).toBeTypeOf('string')
    }),
    { numRuns: 2000 },
  )
})
