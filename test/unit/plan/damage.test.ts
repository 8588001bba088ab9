import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { inspect, type PlanOptions, plan } from '../../../src/index.ts'
import { makeTree } from '../entries/tree.ts'
import { arm64Image, file, packed, path, tool, zboot } from '../image/tools.ts'

const texts = (remarks: readonly { text: string }[]) => remarks.map(({ text }) => text).join()

// What `inspect` calls damaged, `plan` refuses; and nothing else.

/** An arm64 Image with the table of sections of its EFI stub: Microsoft's "PE Format". */
function withStub(image: Buffer): Buffer {
  const bytes = Buffer.concat([image.subarray(0, 64), Buffer.alloc(448), image.subarray(64)])
  bytes.write('MZ', 0)
  bytes.writeUInt32LE(64, 0x3c)
  bytes.write('PE\0\0', 64, 'latin1')
  bytes.writeUInt16LE(0xaa64, 68)
  bytes.writeUInt16LE(1, 70)
  bytes.writeUInt16LE(160, 84)
  bytes.writeUInt16LE(0x20b, 88)
  bytes.writeUInt32LE(512, 88 + 60)
  bytes.writeUInt16LE(10, 88 + 68)
  bytes.writeUInt32LE(6, 88 + 108)
  const section = 88 + 160
  bytes.write('.text', section)
  bytes.writeUInt32LE(bytes.length - 512, section + 8)
  bytes.writeUInt32LE(512, section + 12)
  bytes.writeUInt32LE(bytes.length - 512, section + 16)
  bytes.writeUInt32LE(512, section + 20)
  bytes.writeBigUInt64LE(BigInt(bytes.length + 1_000_000), 16)
  return bytes
}

const image = withStub(arm64Image())
const cut = (bytes: Buffer, missing: number) => bytes.subarray(0, bytes.length - missing)
const flipped = (bytes: Buffer, at: number) => {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] as number) ^ 4
  return copy
}

function uimage(content: Buffer, compression = 'none'): Buffer {
  file('content', content)
  const what = ['-A', 'arm64', '-O', 'linux', '-T', 'kernel', '-C', compression, '-n', 'Test']
  tool('mkimage', [...what, '-d', 'content', 'uImage'])
  return readFileSync(path('uImage'))
}

async function both(bytes: Buffer, options: PlanOptions = {}) {
  const root = makeTree({ '/proc/sys/kernel/arch': { text: 'aarch64\n' }, '/boot/k': { file: bytes } })
  const { verdict, damage } = await inspect(join(root, 'boot/k'), { machine: 'aarch64' })
  using made = await plan({ root, kernel: '/boot/k', commandLine: 'ro', noInitrd: true, ...options })
  return { verdict, damage, made, refusals: made.refusals.map(({ reason }) => reason) }
}

const containers: readonly (readonly [string, (kernel: Buffer) => Buffer])[] = [
  ['bare', (kernel) => kernel],
  ['in gzip', (kernel) => gzipSync(kernel, { level: 1 })],
  ['in xz', (kernel) => packed(kernel, 'xz', '-0')],
  ['in zstd', (kernel) => packed(kernel, 'zstd', '-q', '-1')],
  ['in lz4', (kernel) => packed(kernel, 'lz4', '-q', '-1')],
  ['in bzip2', (kernel) => packed(kernel, 'bzip2', '-1')],
  ['in lzma', (kernel) => packed(kernel, 'lzma', '-0')],
  ['in a uImage', (kernel) => uimage(kernel)],
  ['in gzip in a uImage', (kernel) => uimage(gzipSync(kernel, { level: 1 }), 'gzip')],
  ['in zboot', (kernel) => zboot(gzipSync(kernel, { level: 1 }), 'gzip', kernel.length)],
]

describe.each(containers)('an arm64 Image %s', (_, wrap) => {
  test('whole, it is neither damaged nor refused', async () => {
    expect(await both(wrap(image))).toMatchObject({ damage: [], refusals: [] })
  })

  test('cut off before it was wrapped, it is refused as a kernel that is cut off', async () => {
    for (const missing of [1, image.length - 65_536]) {
      const { verdict, refusals, made } = await both(wrap(cut(image, missing)))
      expect([verdict, refusals], `${missing} bytes missing`).toEqual(['damaged', ['truncated-kernel']])
      expect(made.refusals[0]?.hint).toBe('Copy or install the kernel again.')
      using anyway = (await both(wrap(cut(image, missing)), { tryAnyway: true })).made
      expect(anyway.refusals).toEqual([])
      expect(texts(anyway.warnings)).toContain('cut off')
    }
  })

  test('cut off afterwards, or with a byte changed, both say the same', async () => {
    const whole = wrap(image)
    for (const bytes of [cut(whole, 1000), cut(whole, whole.length >> 1), flipped(whole, whole.length >> 1)]) {
      const { verdict, refusals } = await both(bytes)
      expect(refusals.length > 0, `${verdict} ${refusals}`).toBe(verdict === 'damaged')
    }
  })
})

test('what lies behind the end of a kernel is no damage', async () => {
  expect(await both(Buffer.concat([image, Buffer.alloc(5000)]))).toMatchObject({ damage: [], refusals: [] })
})

test('a uImage with a flipped byte is loaded anyway where that is asked for', async () => {
  const damaged = flipped(uimage(image), 300_000)
  expect(await both(damaged)).toMatchObject({ verdict: 'damaged', refusals: ['damaged-image'] })
  const root = makeTree({ '/boot/k': { file: damaged } })
  using made = await plan({ root, kernel: '/boot/k', commandLine: 'ro', noInitrd: true, tryAnyway: true })
  expect([made.refusals, texts(made.warnings)]).toEqual([[], expect.stringContaining('it is loaded anyway')])
  await made.prepare()
})

test('an Image without a version line of Linux is warned of; Xen is named and refused', async () => {
  const anonymous = Buffer.alloc(100_000, 1)
  image.copy(anonymous, 0, 0, 64)
  const { made, refusals } = await both(withStub(Buffer.concat([arm64Image().subarray(0, 64), anonymous])))
  expect([refusals, texts(made.warnings)]).toEqual([[], expect.stringContaining('no version line of Linux')])
  anonymous.write('Xen version %d.%d%s (%s@%s)\0', 5000)
  const xen = await both(withStub(Buffer.concat([arm64Image().subarray(0, 64), anonymous])))
  expect(xen).toMatchObject({ verdict: 'not-loadable', refusals: ['not-a-kernel'] })
  expect(xen.made.refusals[0]?.summary).toContain('the hypervisor Xen')
})

test('an initrd with a U-Boot header is unwrapped, and its CRC heeded', async () => {
  const initrd = gzipSync(Buffer.concat([Buffer.from(`070701${'0'.repeat(104)}`), Buffer.alloc(64)]))
  file('initrd', initrd)
  tool('mkimage', [
    '-A',
    'arm64',
    '-O',
    'linux',
    '-T',
    'ramdisk',
    '-C',
    'gzip',
    '-n',
    'uInitrd',
    '-d',
    'initrd',
    'uInitrd',
  ])
  const wrapped = readFileSync(path('uInitrd'))
  const given = (bytes: Buffer) => {
    writeFileSync(path('given'), bytes)
    return plan({ kernel: image, commandLine: 'ro', initrds: [path('given')], root: '/' })
  }
  using made = await given(wrapped)
  expect(made.refusals.filter(({ reason }) => reason === 'damaged-image' || reason === 'not-an-initrd')).toEqual([])
  expect(made.initrds[0]).toMatchObject({ size: initrd.length, image: { format: 'gzip' }, isWrapped: true })
  for (const at of [20, 70]) {
    using damaged = await given(flipped(wrapped, at))
    expect(
      damaged.refusals.map(({ reason }) => reason),
      `byte ${at}`,
    ).toContain('damaged-image')
  }
})
