import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { memoryBytes } from '../../../src/image/bytes.ts'
import { DecompressError, decompress, supportedCompressions } from '../../../src/image/decompress/decompress.ts'

// Machine code, text, and what is hard to compress: Node's own executable has all of them.
const program = readFileSync(process.execPath).subarray(0, 2_000_000)

/** How kernels are compressed (scripts/Makefile.lib), and other ways of the same tools. */
const tools: Record<string, [string, ...string[]][]> = {
  gzip: [
    ['gzip', '-n', '-9'],
    ['gzip', '-1'],
  ],
  zstd: [
    ['zstd', '-3'],
    ['zstd', '-19', '--no-check'],
  ],
  lz4: [
    ['lz4', '-l', '-9'],
    ['lz4', '-B4', '-BD'],
    ['lz4', '-BX', '--content-size'],
  ],
  lzma: [
    ['lzma', '-3'],
    ['xz', '--format=lzma', '--lzma1=lc=1,lp=2,pb=0,dict=64KiB'],
  ],
  xz: [
    ['xz', '--check=crc32', '--x86', '--lzma2=dict=32MiB'],
    ['xz', '-0'],
    ['xz', '--check=sha256', '--lzma2=dict=4KiB'],
  ],
}
const compress = (tool: [string, ...string[]], bytes: Buffer) =>
  execFileSync(tool[0], [...tool.slice(1), '-c'], { input: bytes, maxBuffer: 1e8, stdio: ['pipe', 'pipe', 'ignore'] })

async function unpack(name: string, bytes: Buffer, limit = 1e8): Promise<Buffer> {
  const pieces: Buffer[] = []
  const size = await decompress(name, memoryBytes(bytes), (piece) => void pieces.push(Buffer.from(piece)), { limit })
  const whole = Buffer.concat(pieces)
  expect(whole.length).toBe(size)
  return whole
}

for (const name of supportedCompressions) {
  test(`${name}: what the real tool compressed comes out byte for byte, whatever way it was made`, async () => {
    for (const tool of tools[name] ?? []) {
      for (const original of [program, Buffer.from('kernel'), Buffer.alloc(300_000)]) {
        const unpacked = await unpack(name, compress(tool, original))
        expect(unpacked.equals(original), `${tool.join(' ')}, ${original.length} bytes`).toBe(true)
      }
    }
  })

  test(`${name}: the size that the kernel's build puts behind is left alone`, async () => {
    const original = program.subarray(0, 100_000)
    const size = Buffer.alloc(4)
    size.writeUInt32LE(original.length)
    const tool = tools[name]?.[0] as [string, ...string[]]
    expect((await unpack(name, Buffer.concat([compress(tool, original), size]))).equals(original)).toBe(true)
  })

  test(`${name}: a bomb stops at the limit`, async () => {
    const bomb = compress(tools[name]?.[0] as [string, ...string[]], Buffer.alloc(20_000_000))
    await expect(unpack(name, bomb, 1_000_000)).rejects.toThrow('it unpacks to more than 1000000 bytes')
    await expect(unpack(name, bomb, 20_000_000)).resolves.toHaveLength(20_000_000)
  })

  test(`${name}: cut off anywhere or damaged, it fails with a sentence or gives what it has`, async () => {
    const whole = compress(tools[name]?.[0] as [string, ...string[]], program.subarray(0, 40_000))
    for (const length of [0, 1, 5, 20, 1000, whole.length - 9, whole.length - 2]) {
      await expect(unpack(name, whole.subarray(0, length)), `${length} bytes`).rejects.toThrow(DecompressError)
    }
    const changes = fc.array(fc.tuple(fc.oneof(fc.nat(40), fc.nat(whole.length - 1)), fc.nat(255)), {
      minLength: 1,
      maxLength: 4,
    })
    await fc.assert(
      fc.asyncProperty(changes, async (changed) => {
        const bytes = Buffer.from(whole)
        for (const [offset, value] of changed) bytes[offset] = value
        const result = await unpack(name, bytes, 1_000_000).catch((cause) => cause)
        expect(Buffer.isBuffer(result) || result instanceof DecompressError, String(result?.stack)).toBe(true)
      }),
      { numRuns: 100 },
    )
  })
}

test('a signal stops it, and what is not known is refused', async () => {
  const bytes = memoryBytes(compress(['gzip'], program))
  const controller = new AbortController()
  const stop = () => controller.abort(new Error('enough'))
  await expect(decompress('gzip', bytes, stop, { limit: 1e8, signal: controller.signal })).rejects.toThrow('enough')
  await expect(unpack('constructor', program)).rejects.toThrow('constructor compression is not supported')
})
