import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { memoryBytes } from '../../../src/bytes/bytes.ts'
import { decompress } from '../../../src/compression/decompress.ts'
import { unzstd } from '../../../src/compression/zstd.ts'
import { extractKernel } from '../../../src/image/unpack/extract.ts'
import { inspectNested } from '../../../src/image/unpack/nested.ts'
import { arm64Image, content, file, packed, tool, unpack } from './tools.ts'

const run = promisify(execFile)
const LIMIT = 64 * 1024 * 1024
const MIB = 1024 * 1024

interface Measured {
  readonly peak: number
  readonly reason?: string
  readonly message?: string
  readonly size?: number
}

/** In a process that may have no more than a gigabyte of memory of its own, whatever a stream asks for. */
async function measured(bytes: Buffer): Promise<Measured> {
  const script = 'ulimit -d 1048576; exec "$0" --max-old-space-size=64 test/unit/image/unpack-in-child.mjs "$1" "$2"'
  const { stdout } = await run('sh', ['-c', script, process.execPath, file('bomb', bytes), String(LIMIT)])
  return JSON.parse(stdout)
}

const times = (bytes: Buffer, count: number) => Buffer.concat(Array.from({ length: count }, () => bytes))
const word = (value: number, size = 4) => {
  const buffer = Buffer.alloc(size)
  buffer.writeUIntLE(value, 0, size)
  return buffer
}
const zeros = Buffer.alloc(100 * MIB)

/** A zstd frame with a window of 256 MiB whose blocks are each one byte, 131072 times: 10 MB of it are 340 GB. */
const zstdBomb = Buffer.concat([
  word(0xfd2fb528),
  Buffer.of(0, 18 << 3),
  times(Buffer.concat([word((131_072 << 3) | 2, 3), Buffer.of(0)]), 2_500_000),
])

const bombs: readonly (readonly [name: string, make: () => Buffer])[] = [
  ['gzip', () => times(packed(zeros, 'gzip'), 20)],
  ['zstd', () => zstdBomb],
  ['xz', () => times(packed(zeros, 'xz', '-0'), 100)],
  ['xz with the largest window', () => packed(zeros, 'xz', '--lzma2=preset=0,dict=256MiB')],
  ['lzma', () => packed(zeros, 'lzma', '-0')],
  ['bzip2', () => times(packed(zeros, 'bzip2'), 10_000)],
  ['lz4', () => times(packed(zeros, 'lz4', '-q'), 20)],
  ['lz4 -l', () => times(packed(zeros, 'lz4', '-q', '-l'), 20)],
]

test.each(bombs)('a bomb of %s is stopped at the limit, in bounded memory', async (_name, make) => {
  const result = await measured(make())
  expect(result).toMatchObject({ message: expect.stringContaining(`unpacks to more than ${LIMIT} bytes`) })
  expect(result.peak).toBeLessThan(LIMIT + 32 * MIB)
})

const endless = 300_000
const empty = (program: string, ...args: string[]) => packed(Buffer.alloc(0), program, ...args)
const zstdHead = Buffer.concat([word(0xfd2fb528), Buffer.of(0, 18 << 3)])

/** Streams of parts that hold nothing: what they cost must not be more than what they are long. */
const idle: readonly (readonly [name: string, compression: string, make: () => Buffer])[] = [
  ['zstd blocks of nothing', 'zstd', () => Buffer.concat([zstdHead, times(word(0, 3), endless), word(1, 3)])],
  ['frames to be skipped', 'zstd', () => times(Buffer.concat([word(0x184d2a50), word(0)]), endless)],
  ['lz4 frames to be skipped', 'lz4', () => times(Buffer.concat([word(0x184d2a50), word(0)]), endless)],
  ['lz4 frames of nothing', 'lz4', () => times(empty('lz4', '-q'), 100_000)],
  ['lz4 legacy frames of nothing', 'lz4', () => times(word(0x184c2102), endless)],
  [
    'lz4 blocks of nothing',
    'lz4',
    () =>
      Buffer.concat([empty('lz4', '-q', '--no-frame-crc').subarray(0, 7), times(word(0x80000000), endless), word(0)]),
  ],
  ['xz streams of nothing', 'xz', () => times(empty('xz'), 30_000)],
  ['xz padding', 'xz', () => Buffer.concat([empty('xz'), Buffer.alloc(20 * MIB)])],
  ['bzip2 streams of nothing', 'bzip2', () => times(empty('bzip2'), 100_000)],
]

test.each(idle)('%s end, and others run meanwhile', async (_name, compression, make) => {
  const bytes = make()
  let pauses = 0
  let size = 0
  for await (const chunk of compression === 'zstd'
    ? unzstd(memoryBytes(bytes))
    : decompress(compression, memoryBytes(bytes), 1e6)) {
    size += chunk.length
    pauses++
  }
  expect(size).toBe(0)
  expect(pauses).toBeGreaterThan(bytes.length / (20 * MIB))
  // To be inspected, no more than their start is read.
  const { chain, bytesRead } = await inspectNested(memoryBytes(bytes))
  expect(chain).toHaveLength(1)
  expect(bytesRead).toBeLessThan(40 * MIB)
})

test('an unpacking of nothing can be interrupted', async () => {
  const bytes = Buffer.concat([zstdHead, times(word(0, 3), 3_000_000)])
  const controller = new AbortController()
  const unpacking = extractKernel(memoryBytes(bytes), { signal: controller.signal })
  setImmediate(() => controller.abort())
  await expect(unpacking).rejects.toMatchObject({ reason: 'aborted' })
})

test('members and blocks that take more time than bytes are refused', async () => {
  const member = packed(Buffer.from('a'), 'gzip', '-n')
  await expect(unpack(times(member, 5000))).rejects.toThrow('the gzip data has more than 4096 members')
})

test('layers within layers share one limit', async () => {
  const inner = packed(Buffer.alloc(1000), 'gzip', '-n')
  // What follows a stream is left out, so each layer may be as large as it likes.
  let image: Buffer = inner
  for (let layer = 0; layer < 4; layer++) image = packed(Buffer.concat([image, Buffer.alloc(3_000_000)]), 'gzip', '-n')
  await expect(unpack(image, { limit: 5_000_000 })).rejects.toThrow('unpacks to more than')
  // Two at a time: the first is freed before the third is made.
  expect((await unpack(image, { limit: 7_000_000 })).size).toBe(1000)
})

test('a layer is kept as long as an initrd lies in it', async () => {
  const kernel = arm64Image()
  file('k.gz', packed(kernel, 'gzip'))
  file('i', Buffer.from('070701'))
  tool('mkimage', ['-A', 'arm64', '-O', 'linux', '-T', 'multi', '-C', 'gzip', '-n', 'm', '-d', 'k.gz:i', 'multi'])
  const multi = tool('cat', ['multi'])
  const result = await extractKernel(memoryBytes(packed(packed(multi, 'gzip'), 'xz')))
  expect(result.chain.map(({ format }) => format)).toEqual(['xz', 'gzip', 'uImage', 'arm64 Image'])
  expect(result.initrds[0]?.source.read(0, 6).toString()).toBe('070701')
  result.close()
})

/** Numbers where sums overflow 32 and 53 bits, or are negative when they are taken for signed. */
const extremes = [0, 1, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff]

test('numbers at their extremes, at every place of a header, are told or harmless', async () => {
  file('kernel', packed(content.subarray(0, 20_000), 'gzip'))
  file('initrd', '070701')
  file('b.dts', '/dts-v1/; / { compatible = "a"; };')
  tool('dtc', ['-O', 'dtb', '-o', 'b.dtb', 'b.dts'])
  tool('mkimage', ['-A', 'arm64', '-O', 'linux', '-T', 'multi', '-C', 'none', '-n', 'm', '-d', 'kernel:initrd', 'u'])
  tool('mkbootimg', [
    '--kernel',
    'kernel',
    '--ramdisk',
    'initrd',
    '--pagesize',
    '2048',
    '--header_version',
    '2',
    '--dtb',
    'b.dtb',
    '-o',
    'a',
  ])
  const images = [tool('cat', ['u']), tool('cat', ['a']), tool('cat', ['b.dtb'])]
  for (const image of images) {
    for (let at = 0; at + 8 <= Math.min(image.length, 1700); at += 4) {
      for (const value of extremes) {
        const hostile = Buffer.from(image)
        hostile.writeUInt32LE(value, at)
        hostile.writeUInt32LE(at % 8 === 0 ? 0xffffffff : value, at + 4)
        const { contents } = await inspectNested(memoryBytes(hostile))
        for (const { offset, length } of contents[0]?.parts ?? []) {
          expect(offset >= 0 && length >= 0 && offset + length <= hostile.length, `${value} at ${at}`).toBe(true)
        }
      }
    }
  }
})

/** A device tree by hand: nodes as asked for, and what is in their properties. */
function treeOf(structure: Buffer, strings: string): Buffer {
  const head = Buffer.alloc(56)
  const total = head.length + structure.length + strings.length
  for (const [index, value] of [
    0xd00dfeed,
    total,
    56,
    56 + structure.length,
    40,
    17,
    16,
    0,
    strings.length,
  ].entries()) {
    head.writeUInt32BE(value, index * 4)
  }
  return Buffer.concat([head, structure, Buffer.from(strings)])
}
const token = (value: number) => word(value).reverse()
const node = (name: string, ...inside: Buffer[]) =>
  Buffer.concat([token(1), Buffer.from(name.padEnd(Math.ceil((name.length + 1) / 4) * 4, '\0')), ...inside, token(2)])
const property = (name: number, value: Buffer) =>
  Buffer.concat([token(3), token(value.length), token(name), value, Buffer.alloc((4 - (value.length % 4)) % 4)])

test('a FIT image of a hundred thousand nodes, properties or bytes of text is refused before it fills the memory', async () => {
  const problemOf = async (structure: Buffer) => {
    const { chain, bytesRead } = await inspectNested(memoryBytes(treeOf(structure, 'a\0')))
    expect(bytesRead).toBeLessThan(60 * MIB)
    return chain[0]?.problems[0]
  }
  expect(await problemOf(node('', times(node('n'), 100_000)))).toContain('more nodes than any machine')
  expect(await problemOf(times(node('').subarray(0, 8), 100_000))).toContain('64 levels deep')
  expect(await problemOf(node('', times(property(0, Buffer.alloc(4)), 100_000)))).toContain('more properties than any')
  expect(await problemOf(node('', times(token(4), 1_000_000)))).toContain('more properties than any machine')
  expect(await problemOf(node('', times(property(0, Buffer.alloc(16_000)), 1000)))).toContain('more in its properties')
})

test('a FIT image with hundreds of configurations that name one large device tree reads it once', async () => {
  const names = ['data', 'fdt', 'kernel']
  const strings = `${names.join('\0')}\0`
  const place = (name: string) => strings.indexOf(name)
  const tree = treeOf(node('', times(property(0, Buffer.alloc(8)), 40_000)), 'a\0')
  const image = (name: string, bytes: Buffer) => node(name, property(place('data'), bytes))
  const configuration = (index: number) =>
    node(`c${index}`, property(place('fdt'), Buffer.from('f\0')), property(place('kernel'), Buffer.from('k\0')))
  const configurations = Array.from({ length: 256 }, (_, index) => configuration(index))
  const hostile = treeOf(
    node('', node('images', image('f', tree), image('k', arm64Image())), node('configurations', ...configurations)),
    strings,
  )
  const { contents, bytesRead } = await inspectNested(memoryBytes(hostile), { compatible: ['nobody'] })
  expect(contents[0]?.chosen).toBe('c0')
  expect(bytesRead).toBeLessThan(hostile.length * 6)
})

test('a hash of a FIT image that does not say what it is, found by fuzzing', async () => {
  const strings = 'data\0value\0'
  const hash = node('hash-1', property(5, Buffer.alloc(4)))
  const kernel = node('k', property(0, arm64Image()), hash)
  const image = treeOf(node('', node('images', kernel), node('configurations', node('c'))), strings)
  const named = treeOf(
    node('', node('images', kernel), node('configurations', node('c', property(11, Buffer.from('k\0'))))),
    `${strings}kernel\0`,
  )
  expect((await inspectNested(memoryBytes(image))).contents[0]?.problems).toEqual([])
  await expect(unpack(named)).rejects.toThrow('a hash of k does not say what it is')
})

test('what looks like version lines all over is searched in a straight line', async () => {
  const bytes = Buffer.concat([Buffer.alloc(64), times(Buffer.from(`Linux version 1.${'1'.repeat(490)}`), 40_000)])
  bytes.write('ARM\x64', 56, 'latin1')
  bytes.writeBigUInt64LE(1n << 20n, 16)
  expect((await inspectNested(memoryBytes(bytes))).image).toMatchObject({ format: 'arm64 Image', version: null })
})
