import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import * as zlib from 'node:zlib'
import { expect, test } from 'vitest'
import { memoryBytes } from '../../../src/bytes/bytes.ts'
import { Crc64 } from '../../../src/compression/checks/crc64.ts'
import { XxHash32, XxHash64 } from '../../../src/compression/checks/xxhash.ts'
import { DamagedStream, decompress } from '../../../src/compression/decompress.ts'
import { unzstd } from '../../../src/compression/zstd.ts'
import { content, packed, tool } from './tools.ts'

const code = content.subarray(0, 1200)

/** Streams with a check. */
const streams: readonly string[] = [
  'xz',
  'xz --check=crc32 -0',
  'xz --check=sha256 -9e',
  'xz --check=crc64 --x86 --lzma2=dict=64KiB',
  'xz --check=crc32 --delta=dist=4 --lzma2=lc=0,lp=2',
  'xz --block-size=500',
  'bzip2 -1',
  'gzip -1',
  'gzip -9 -n',
  'lz4 -1',
  'lz4 -9 --content-size',
  'lz4 -BX -BD -B4',
  'zstd -1',
  'zstd -19',
  'zstd -22 --ultra',
]

const make = (command: string, bytes: Buffer): Buffer => {
  const [program = '', ...args] = command.split(' ')
  return packed(bytes, program, ...args, ...(/xz|bzip2|lzma/.test(program) ? [] : ['-q']))
}
const unpack = (command: string, bytes: Buffer) => {
  const [program = ''] = command.split(' ')
  return joined(program === 'zstd' ? unzstd(memoryBytes(bytes)) : decompress(program, memoryBytes(bytes), 1e6))
}

test.each(streams)('%s: no flipped bit gives other bytes without a word', async (command) => {
  const made = make(command, code)
  expect((await unpack(command, made)).equals(code)).toBe(true)
  let told = 0
  for (let at = 0; at < made.length; at++) {
    const damaged = Buffer.from(made)
    damaged[at] = (damaged[at] as number) ^ (1 << (at % 8))
    const result = await unpack(command, damaged).catch((error: unknown) => error)
    if (result instanceof DamagedStream) told++
    else expect(Buffer.isBuffer(result) && result.equals(code), `byte ${at}: ${String(result)}`).toBe(true)
  }
  // What is not told of is what no content depends on: the time in a gzip header, a choice between equal matches.
  expect(told).toBeGreaterThan(made.length * 0.95)
  if (command.startsWith('xz')) expect(told).toBe(made.length)
})

test.each(['lzma -9', 'lzma --lzma1=lc=0,lp=2,pb=0', 'xz --check=none'])(
  '%s, which has no check: what is not told, the program takes as well',
  async (command) => {
    const [program = ''] = command.split(' ')
    const made = make(command, code)
    let told = 0
    for (let at = 0; at < made.length; at++) {
      const damaged = Buffer.from(made)
      damaged[at] = (damaged[at] as number) ^ (1 << (at % 8))
      const result = await unpack(command, damaged).catch((error: unknown) => error)
      if (result instanceof DamagedStream) told++
      // The window's size, where lzma takes only some, changes no content.
      else if (program === 'lzma' && at >= 1 && at <= 4)
        expect((result as Buffer).equals(code), `byte ${at}`).toBe(true)
      else expect(tool(program, ['-dc'], damaged).equals(result as Buffer), `byte ${at}`).toBe(true)
    }
    expect(told).toBeGreaterThan(made.length * 0.95)
  },
)

test('what the runtime unpacks of zstd is checked as well', async () => {
  if (!('createZstdDecompress' in zlib)) return
  const made = make('zstd -3', code)
  for (let at = 0; at < made.length; at++) {
    const damaged = Buffer.from(made)
    damaged[at] = (damaged[at] as number) ^ (1 << (at % 8))
    const result = await joined(decompress('zstd', memoryBytes(damaged), 1e6)).catch((error: unknown) => error)
    expect(result instanceof DamagedStream || (result as Buffer).equals(code), `byte ${at}: ${String(result)}`).toBe(
      true,
    )
  }
})

const small = content.subarray(0, 200_000)
const skipped = Buffer.from('502a4d1804000000deadbeef', 'hex')

test.each(['zstd', 'lz4'])(
  '%s: frames that hold nothing are skipped, wherever they are, and no frame is lost',
  async (program) => {
    const one = packed(small, program, '-q')
    const both = Buffer.concat([small, small])
    const arrangements: readonly (readonly [Buffer, Buffer])[] = [
      [Buffer.concat([one, one]), both],
      [Buffer.concat([skipped, one]), small],
      [Buffer.concat([skipped, skipped, one, skipped, one, skipped, Buffer.from([1, 2, 3, 4])]), both],
      [Buffer.concat([one, Buffer.alloc(700_000, 1)]), small],
    ]
    for (const [bytes, wanted] of arrangements) {
      expect((await joined(decompress(program, memoryBytes(bytes), 1e7))).equals(wanted)).toBe(true)
    }
  },
)

test.each(['zstd', 'lz4', 'gzip', 'xz', 'bzip2', 'lzma'])(
  '%s that breaks off is told, by every runtime',
  async (program) => {
    const made = packed(small, program)
    for (const missing of [1, 2, 5, 20, 1000, made.length - 20]) {
      const bytes = made.subarray(0, made.length - missing)
      await expect(joined(decompress(program, memoryBytes(bytes), 1e7)), `${missing}`).rejects.toThrow(DamagedStream)
    }
  },
)

test('the RISC-V filter of xz, which kernels for RISC-V are packed with', async () => {
  const bytes = readFileSync('test/fixtures/compression/riscv-filter.xz')
  const code = await joined(decompress('xz', memoryBytes(bytes), 1e6))
  expect(createHash('sha256').update(code).digest('hex')).toBe(
    '6bd8daaf2d2cf999d4c49f20a4f8429f30500cb3d6ba3d3fc1b3d803c4f26979',
  )
})

test('lzma with a size in its header, with an end marker, and with both', async () => {
  const marked = packed(small, 'lzma')
  expect(marked.readBigUInt64LE(5)).toBe(0xffffffffffffffffn)
  const both = Buffer.from(marked)
  both.writeBigUInt64LE(BigInt(small.length), 5)
  expect((await joined(decompress('lzma', memoryBytes(both), 1e7))).equals(small)).toBe(true)
  for (const size of [small.length - 1, small.length + 1, 0, Number.MAX_SAFE_INTEGER]) {
    both.writeBigUInt64LE(BigInt(size), 5)
    await expect(joined(decompress('lzma', memoryBytes(both), 1e7)), `${size}`).rejects.toThrow(DamagedStream)
  }
})

test('hashes are those of the specifications, however the bytes come', () => {
  const hashes = (part: number) => {
    const [short, long, crc] = [new XxHash32(), new XxHash64(), new Crc64()]
    for (let at = 0; at < code.length; at += part) {
      const bytes = code.subarray(at, at + part)
      for (const hash of [short, long, crc]) hash.update(bytes)
    }
    return [short.digest(), long.digestLow(), crc.matches(make('xz', code).subarray(-32, -24))]
  }
  const frame = make('lz4 -1', code)
  const wanted = [
    frame.readUInt32LE(frame.length - 4),
    make('zstd -1', code).readUInt32LE(make('zstd -1', code).length - 4),
  ]
  for (const part of [1, 7, 16, 33, 1200]) expect(hashes(part)).toEqual([...wanted, true])
  const crc = new Crc64()
  crc.update(Buffer.from('123456789'))
  expect(crc.matches(Buffer.from('fa3919dfbbc95d99', 'hex'))).toBe(true)
  expect(new XxHash32().digest()).toBe(0x02cc5d05)
  expect(new XxHash64().digestLow()).toBe(0x51d8e999)
})

async function joined(chunks: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const chunk of chunks) parts.push(Buffer.from(chunk))
  return Buffer.concat(parts)
}
