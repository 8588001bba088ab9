import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { type ByteSource, memoryBytes } from '../../../src/bytes/bytes.ts'
import { crc32, crc32InJavaScript } from '../../../src/bytes/crc32.ts'
import { DamagedStream, decompress } from '../../../src/compression/decompress.ts'
import { unzstd } from '../../../src/compression/zstd.ts'
import { content, packed } from '../image/tools.ts'

const appended = Buffer.from([0x00, 0x16, 0x2d, 0x01])
const small = content.subarray(0, 300_000)

type Make = () => Buffer
/** As the programs make them, and as the kernel's build calls the programs (scripts/Makefile.lib, scripts/xz_wrap.sh). */
const streams: readonly (readonly [name: string, compression: string, make: Make])[] = [
  ['gzip', 'gzip', () => packed(content, 'gzip', '-n', '-9')],
  ['gzip of two members', 'gzip', () => Buffer.concat([packed(small, 'gzip'), packed(content, 'gzip', '-1')])],
  ['bzip2', 'bzip2', () => packed(content, 'bzip2', '-9')],
  ['bzip2 of two streams', 'bzip2', () => Buffer.concat([packed(small, 'bzip2', '-1'), packed(content, 'bzip2')])],
  ['lzma', 'lzma', () => packed(content, 'lzma', '-9')],
  ['xz', 'xz', () => packed(content, 'xz', '-9')],
  ['xz for an x86 kernel', 'xz', () => packed(content, 'xz', '--check=crc32', '--x86', '--lzma2=dict=32MiB')],
  ['xz for an arm kernel', 'xz', () => packed(content, 'xz', '--check=crc32', '--arm', '--lzma2=dict=32MiB')],
  ['xz for a thumb kernel', 'xz', () => packed(content, 'xz', '--check=crc32', '--armthumb', '--lzma2')],
  ['xz for an arm64 kernel', 'xz', () => packed(content, 'xz', '--check=crc32', '--arm64', '--lzma2')],
  ['xz for a powerpc kernel', 'xz', () => packed(content, 'xz', '--check=crc32', '--powerpc', '--lzma2')],
  ['xz with a delta filter', 'xz', () => packed(content, 'xz', '--check=sha256', '--delta=dist=4', '--lzma2')],
  ['xz in blocks', 'xz', () => packed(content, 'xz', '--block-size=256KiB', '--check=crc32', '--x86', '--lzma2')],
  ['xz of two streams', 'xz', () => Buffer.concat([packed(small, 'xz'), Buffer.alloc(8), packed(content, 'xz')])],
  ['lz4', 'lz4', () => packed(content, 'lz4', '-9')],
  ['lz4 with linked blocks', 'lz4', () => packed(content, 'lz4', '-BD', '-B4')],
  ['lz4 -l', 'lz4', () => packed(content, 'lz4', '-l', '-9')],
  ['zstd', 'zstd', () => packed(content, 'zstd', '-q', '-3')],
  ['zstd -22 --ultra', 'zstd', () => packed(content, 'zstd', '-q', '-22', '--ultra')],
]

const wanted = (name: string) => (/two/.test(name) ? Buffer.concat([small, content]) : content)

test.each(streams)('%s unpacks to what was packed', async (name, compression, make) => {
  expect(await digest(decompress(compression, memoryBytes(make()), 1e8))).toBe(sha256(wanted(name)))
})

test.each(streams)(
  '%s with the size that the kernel build appends unpacks to the same',
  async (name, compression, make) => {
    const bytes = Buffer.concat([make(), appended])
    expect(await digest(decompress(compression, memoryBytes(bytes), 1e8))).toBe(sha256(wanted(name)))
  },
)

test('zstd needs nothing of the runtime: Node 20 has none', async () => {
  for (const level of ['-1', '-5', '-13', '-19']) {
    expect(await digest(unzstd(memoryBytes(packed(content, 'zstd', '-q', level))))).toBe(sha256(content))
  }
  const odd = Buffer.concat([Buffer.alloc(500_000), Buffer.from('a'.repeat(1000)), small])
  expect(await digest(unzstd(memoryBytes(packed(odd, 'zstd', '-q', '-19'))))).toBe(sha256(odd))
  expect(await digest(unzstd(memoryBytes(packed(Buffer.from('x'), 'zstd', '-q'))))).toBe(sha256(Buffer.from('x')))
})

test('runs of one byte, and nothing at all', async () => {
  for (const bytes of [Buffer.alloc(3_000_000, 7), Buffer.alloc(0), Buffer.from('a')]) {
    for (const program of ['gzip', 'bzip2', 'xz', 'lzma', 'lz4', 'zstd']) {
      const made = packed(bytes, program)
      expect(await digest(decompress(program, memoryBytes(made), 1e8)), program).toBe(sha256(bytes))
    }
  }
})

test('more than the limit is refused before it fills the memory', async () => {
  const bomb = Buffer.alloc(50_000_000)
  for (const program of ['gzip', 'bzip2', 'xz', 'lzma', 'lz4', 'zstd']) {
    const unpacking = digest(decompress(program, memoryBytes(packed(bomb, program)), 1_000_000))
    await expect(unpacking, program).rejects.toThrow(`the ${program} data unpacks to more than 1000000 bytes`)
  }
})

test('a stream that ends early is told, wherever it ends', async () => {
  const bytes = content.subarray(0, 60_000)
  for (const program of ['gzip', 'bzip2', 'xz', 'lzma', 'lz4', 'zstd']) {
    const made = packed(bytes, program)
    for (let length = 1; length < made.length - 4; length += 1 + Math.floor(made.length / 40)) {
      const unpacking = digest(decompress(program, memoryBytes(made.subarray(0, length)), 1e8))
      await expect(unpacking, `${program}, ${length} of ${made.length} bytes`).rejects.toThrow(DamagedStream)
    }
  }
})

test('a flipped bit is found by the stream own check, and never crashes', async () => {
  const bytes = content.subarray(0, 60_000)
  for (const program of ['gzip', 'bzip2', 'xz', 'lzma', 'lz4', 'zstd']) {
    const made = program === 'xz' ? packed(bytes, 'xz', '--check=crc32') : packed(bytes, program)
    for (let at = 0; at < made.length; at += 1 + Math.floor(made.length / 60)) {
      const damaged = Buffer.from(made)
      damaged[at] = (damaged[at] as number) ^ 0x10
      const result = await digest(decompress(program, memoryBytes(damaged), 1e6)).catch((error: unknown) => error)
      const harmless = typeof result === 'string' || result instanceof DamagedStream
      expect(harmless, `${program} at ${at}: ${String(result)}`).toBe(true)
      if (/gzip|bzip2|xz/.test(program) && typeof result === 'string')
        expect(result, `${program} ${at}`).toBe(sha256(bytes))
    }
  }
})

test('a source is read from front to back, a little at a time', async () => {
  const made = packed(content, 'xz')
  let largest = 0
  const source: ByteSource = {
    size: made.length,
    read(offset, length) {
      largest = Math.max(largest, length)
      return memoryBytes(made).read(offset, length)
    },
  }
  expect(await digest(decompress('xz', source, 1e8))).toBe(sha256(content))
  expect(largest).toBeLessThanOrEqual(64 * 1024)
})

test('lzo is named, not guessed at', async () => {
  await expect(digest(decompress('lzo', memoryBytes(Buffer.alloc(9)), 1))).rejects.toThrow(
    'lzo compression is not supported',
  )
})

test('the CRC is the same with and without the runtime', () => {
  expect(crc32InJavaScript(Buffer.from('123456789'))).toBe(0xcbf43926)
  expect(crc32(content)).toBe(crc32InJavaScript(content))
  expect(crc32(content.subarray(10), crc32(content.subarray(0, 10)))).toBe(crc32(content))
})

async function digest(chunks: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of chunks) hash.update(chunk)
  return hash.digest('hex')
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
