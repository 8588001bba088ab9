import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type ByteSource, memoryBytes } from '../../../../src/bytes/bytes.ts'
import { inspectSignatures } from '../../../../src/image/signature/inspect.ts'

const fixture = (name: string) => readFileSync(`test/fixtures/signatures/${name}`)
const signed = ['sbsign.efi', 'twice.efi', 'nested.efi', 'module-signed', 'module-attributes'].map(fixture)
const sbsign = signed[0] as Buffer
const headers = sbsign.readUInt32LE(0x3c)
const table = sbsign.readUInt32LE(headers + 24 + 112 + 4 * 8)
const checksum = headers + 24 + 64
const extremes = [0, 1, 7, 8, 0x3f, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff]

/** The same bytes, counting how many are read. */
function counting(bytes: Buffer): { source: ByteSource; count: () => number } {
  const source = memoryBytes(bytes)
  let count = 0
  const read = (offset: number, length: number) => {
    const answer = source.read(offset, length)
    count += answer.length
    return answer
  }
  return { source: { size: source.size, read }, count: () => count }
}

/** Inspects, and holds the answer to what has to be true of any. */
async function answer(bytes: Buffer) {
  const { source, count } = counting(bytes)
  const report = await inspectSignatures(source)
  // Headers and certificate table are read beside the one pass; section tables may be as large as the file.
  expect(count()).toBeLessThanOrEqual(4 * bytes.length + 1024)
  const said = [...report.problems, ...report.signatures.flatMap(({ problems }) => problems)]
  expect(report.verdict === 'damaged').toBe(said.length > 0)
  for (const sentence of said) expect(sentence).not.toMatch(/undefined|NaN|\[object/)
  return report
}

test('every field of the headers and of the certificate table at its extremes', async () => {
  const fields = [0x3c, headers + 6, headers + 20]
  for (let offset = headers + 24; offset < headers + 24 + 112 + 16 * 8 + 3 * 40; offset += 4) fields.push(offset)
  fields.push(table, table + 4, table + 8, table + 10)
  for (const offset of fields) {
    for (const value of extremes) {
      const bytes = Buffer.from(sbsign)
      // No checksum at all is none that is wrong.
      if (bytes.readUInt32LE(offset) === value || (offset === checksum && value === 0)) continue
      bytes.writeUInt32LE(value, offset)
      expect((await answer(bytes)).verdict, `${value} at ${offset}`).not.toBe('intact')
    }
  }
})

test('a file that is cut anywhere', async () => {
  for (const bytes of signed) {
    for (let length = 0; length < bytes.length; length += 13) {
      expect((await answer(bytes.subarray(0, length))).verdict).not.toBe('intact')
    }
  }
})

test('ASN.1 made to hurt: deep, endless, huge', async () => {
  const deep = Buffer.alloc(60_000, Buffer.from([0x30, 0x80]))
  const wide = Buffer.concat([Buffer.from([0x30, 0x83, 0x07, 0xa1, 0x20]), Buffer.alloc(500_000, Buffer.from([5, 0]))])
  const huge = Buffer.from([0x30, 0x84, 0xff, 0xff, 0xff, 0xff])
  const object = Buffer.concat([
    Buffer.from([0x30, 0x83, 0x01, 0x86, 0xa4, 6, 0x82, 0xff, 0xff]),
    Buffer.alloc(100_000, 0xff),
  ])
  for (const der of [deep, wide, huge, object, Buffer.alloc(0), Buffer.alloc(1_000, 0xff)]) {
    expect((await answer(withTable(der))).verdict).toBe('damaged')
    const trailer = Buffer.alloc(12)
    trailer[2] = 2
    trailer.writeUInt32BE(der.length, 8)
    const appended = Buffer.concat([Buffer.from('body'), der, trailer, Buffer.from('~Module signature appended~\n')])
    expect((await answer(appended)).verdict).toBe('damaged')
  }
})

/** The image with other bytes for a signature. */
function withTable(der: Buffer): Buffer {
  const length = (8 + der.length + 7) & ~7
  const entry = Buffer.alloc(length)
  entry.writeUInt32LE(8 + der.length, 0)
  entry.writeUInt16LE(0x0200, 4)
  entry.writeUInt16LE(2, 6)
  der.copy(entry, 8)
  const image = Buffer.concat([sbsign.subarray(0, table), entry])
  image.writeUInt32LE(length, headers + 24 + 112 + 4 * 8 + 4)
  return image
}

test('thousands of entries in the certificate table are not followed', async () => {
  const entries = Buffer.alloc(64 * 1024, Buffer.from([8, 0, 0, 0, 0, 2, 2, 0]))
  const bytes = withTable(entries)
  bytes.writeUInt32LE(8, table)
  const { signatures, problems } = await answer(bytes)
  expect(signatures.length).toBeLessThanOrEqual(16)
  expect(problems.join()).toContain('more than 16 signatures')
})

test('sections without end, and a hundred over one another', async () => {
  const count = 100
  const image = Buffer.concat([sbsign.subarray(0, headers), Buffer.alloc(16 * 1024)])
  sbsign.copy(image, headers, headers, headers + 24 + 240)
  image.writeUInt16LE(count, headers + 6)
  image.writeUInt32LE(8192, headers + 24 + 60)
  image.writeUInt32LE(image.length - 8, headers + 24 + 112 + 4 * 8)
  image.writeUInt32LE(8, headers + 24 + 112 + 4 * 8 + 4)
  for (let index = 0; index < count; index++) {
    const section = headers + 24 + 240 + index * 40
    image.writeUInt32LE(8000, section + 16)
    image.writeUInt32LE(8192, section + 20)
  }
  expect((await answer(image)).problems.join()).toContain('overlap')
  image.writeUInt32LE(0xffffffff, headers + 24 + 240 + 16)
  expect((await answer(image)).problems.join()).toContain('beyond the end')
})

test('any bytes changed to any', async () => {
  const change = fc.tuple(fc.nat(), fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255)))
  const property = fc.asyncProperty(
    fc.nat(signed.length - 1),
    fc.array(change, { minLength: 1, maxLength: 6 }),
    async (index, changes) => {
      const bytes = Buffer.from(signed[index] as Buffer)
      for (const [offset, value] of changes) bytes[offset % bytes.length] = value
      await answer(bytes)
    },
  )
  await fc.assert(property, { numRuns: 500 })
})

test('a file that becomes shorter while it is read', async () => {
  const source: ByteSource = {
    size: sbsign.length,
    read: (offset, length) => sbsign.subarray(0, 2000).subarray(offset, offset + length),
  }
  const report = await inspectSignatures(source)
  expect(report.verdict).toBe('damaged')
  expect(report.problems.join()).toContain('shorter')
})
