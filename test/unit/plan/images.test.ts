import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { type ImageInput, type LoadPlan, type PlanOptions, plan } from '../../../src/index.ts'
import { directory, file, packed, path, tool } from '../image/tools.ts'
import { debian, makeMachine, unsigned } from './debian.ts'

const texts = (remarks: readonly { text: string }[]) => remarks.map(({ text }) => text).join()

const release = '6.1.0-50-cloud-amd64'
/** Zeros behind its head, so that nothing in it contradicts itself. */
const kernel = Buffer.concat([
  unsigned(readFileSync('test/fixtures/kernels/vmlinuz-6.1.0-50-cloud-amd64.head')),
  Buffer.alloc(14_200_000),
])
/** A machine about which nothing is known. */
const root = directory
const common = { root, commandLine: 'root=/dev/vda1', noInitrd: true } as const

/** Descriptors of this process by what they lead to. */
function openFiles(): string[] {
  const links = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)]
    } catch {
      return []
    }
  })
  return links.filter((link) => /memfd:linux-kexec|linux-kexec-/.test(link)).sort()
}

/** Plans, prepares, gives the plan to look at, closes it, and sees to it that nothing stays open. */
async function prepared(options: PlanOptions): Promise<LoadPlan> {
  const before = openFiles()
  using made = await plan({ ...common, ...options })
  expect(made.refusals).toEqual([])
  await made.prepare()
  made.close()
  expect(openFiles()).toEqual(before)
  return made
}

describe('a kernel that comes', () => {
  const ways: [string, () => Promise<ImageInput> | ImageInput][] = [
    ['as bytes', () => kernel],
    ['as a Uint8Array', () => new Uint8Array(kernel)],
    ['as a Node stream', () => Readable.from([kernel.subarray(0, 1000), kernel.subarray(1000)])],
    ['as a web stream', () => new Blob([new Uint8Array(kernel)]).stream() as unknown as AsyncIterable<Uint8Array>],
  ]
  test.each(ways)('%s', async (_, input) => {
    const made = await prepared({ kernel: await input() })
    expect(made).toMatchObject({ image: { format: 'bzImage', version: release }, entry: null })
    expect(made.kernel.size).toBe(kernel.length)
  })

  test('as an open file, which stays open and where it was', async () => {
    const handle = await open(file('kernel', kernel))
    try {
      const made = await prepared({ kernel: handle })
      expect(made.kernel.path).toBe(path('kernel'))
      const { buffer } = await handle.read(Buffer.alloc(2), 0, 2, null)
      expect(buffer).toEqual(kernel.subarray(0, 2))
    } finally {
      await handle.close()
    }
  })

  test('with its initrd from a server: each body is held before another one is read', async () => {
    const started: string[] = []
    const stream = (name: string, bytes: Buffer) => ({
      [Symbol.asyncIterator]() {
        started.push(name)
        return Readable.from([bytes])[Symbol.asyncIterator]()
      },
    })
    async function* body() {
      expect(started).toEqual(['initrd'])
      yield kernel
    }
    const initrd = stream('initrd', packed(Buffer.from(`070701${'0'.repeat(104)}`), 'gzip'))
    using made = await plan({ root, commandLine: 'root=/dev/vda1', kernel: body(), initrds: [initrd] })
    expect(made.refusals).toEqual([])
    expect(made.initrds[0]?.size).toBeGreaterThan(0)
  })

  test('from a stream that fails: the stream is named, nothing stays open', async () => {
    const failing = new Readable({
      read() {
        this.destroy(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
      },
    })
    const before = openFiles()
    await expect(plan({ ...common, kernel: failing })).rejects.toMatchObject({
      reason: 'io',
      code: 'ECONNRESET',
      summary: 'the stream of the kernel failed',
    })
    expect(openFiles()).toEqual(before)
  })

  test('from a stream, until it is aborted', async () => {
    const abort = new AbortController()
    async function* endless() {
      for (;;) {
        yield Buffer.alloc(1000)
        abort.abort()
      }
    }
    await expect(plan({ ...common, kernel: endless(), signal: abort.signal })).rejects.toMatchObject({
      reason: 'aborted',
    })
  })
})

describe('a kernel that has to be unpacked', () => {
  test.each([
    ['gzip', ['-1']],
    ['zstd', ['-q', '-1']],
    ['xz', ['-0']],
    ['lzma', ['-0']],
    ['lz4', ['-1']],
    ['lz4', ['-l']],
    ['bzip2', ['-1']],
  ])('%s %j', async (program, options) => {
    const made = await prepared({ kernel: packed(kernel, program, ...options) })
    expect(made.toJSON()).toMatchObject({
      kernel: '(bytes)',
      version: release,
      nested: [program, 'bzImage'],
      image: { format: 'bzImage', architecture: 'x86_64', maxCommandLine: 2016 },
    })
  })

  test('cannot be loaded at once, unless it was prepared', async () => {
    using made = await plan({ ...common, kernel: packed(kernel, 'gzip', '-1') })
    expect(() => made.loadSync()).toThrow(
      expect.objectContaining({ refused: true, reason: expect.stringMatching(/invalid-argument|no-capability/) }),
    )
  })

  test('and was cut short is refused, and named', async () => {
    const whole = packed(kernel, 'gzip', '-1')
    using made = await plan({ ...common, kernel: whole.subarray(0, -20_000) })
    expect(made.refusals).toMatchObject([{ reason: 'damaged-image', refused: true, path: '(bytes)' }])
    await expect(made.prepare()).rejects.toBe(made.refusals[0])
  })

  test('brings its initrd and command line from an Android boot image', async () => {
    file('kernel', kernel)
    file('ramdisk', packed(Buffer.from(`070701${'0'.repeat(104)}`), 'gzip'))
    const facts = ['--kernel', 'kernel', '--ramdisk', 'ramdisk', '--cmdline', 'console=ttyS0 slot=_b']
    tool('mkbootimg', [...facts, '--pagesize', '4096', '-o', 'boot.img'])
    const kernelFile = path('boot.img')
    const handle = await open(kernelFile)
    using made = await plan({ kernel: handle, root })
    // The plan has a descriptor of its own.
    await handle.close()
    await made.prepare()
    expect(made.toJSON()).toMatchObject({
      commandLine: 'console=ttyS0 slot=_b',
      initrds: [`${kernelFile}:ramdisk`],
      nested: ['Android boot image', 'bzImage'],
      refusals: [],
    })
    expect(made.initrds[0]?.image?.compression).toBe('gzip')
    expect(made.explain()).toContain(`${release}, bzImage for x86_64 in Android boot image`)
  })

  test('brings an initrd that is replaced by one that is given, or by none', async () => {
    const given = makeMachine({ ...debian, '/tmp/own': 'initrd' })
    const bootImage = readFileSync(path('boot.img'))
    using made = await plan({ kernel: bootImage, root: given, initrds: ['/tmp/own'] })
    expect(made.toJSON().initrds).toEqual(['/tmp/own'])
    expect(made.decisions[1]?.reason).toBe("given with initrds, in place of the image's own")
    using without = await plan({ kernel: bootImage, root: given, noInitrd: true })
    expect(without.toJSON().initrds).toEqual([])
  })
})

test('a file in the machine that is a container: its path, and what is in it', async () => {
  const machine = makeMachine()
  file('kernel', kernel)
  tool('mkimage', ['-A', 'x86_64', '-O', 'linux', '-T', 'kernel', '-C', 'none', '-n', 'Test', '-d', 'kernel', 'uImage'])
  tool('cp', ['uImage', join(machine, 'boot/uImage')])
  using made = await plan({ kernel: '/boot/uImage', root: machine, commandLine: 'root=/dev/vda1', noInitrd: true })
  await made.prepare()
  expect(made.toJSON()).toMatchObject({ kernel: '/boot/uImage', nested: ['uImage', 'bzImage'], version: release })
})

test('a uImage with a flipped byte is refused before it is loaded', async () => {
  const damaged = Buffer.from(readFileSync(path('uImage')))
  damaged[5_000_000] = (damaged[5_000_000] as number) ^ 1
  using made = await plan({ ...common, kernel: damaged })
  await expect(made.prepare()).rejects.toMatchObject({ reason: 'damaged-image', refused: true })
})

test('an Android boot image that is split: the vendor part comes first, and is missed when it is not given', async () => {
  file('kernel', kernel)
  file('ramdisk', packed(Buffer.from(`070701${'0'.repeat(104)}`), 'gzip'))
  const version = ['--header_version', '3']
  tool('mkbootimg', [...version, '--kernel', 'kernel', '--ramdisk', 'ramdisk', '--cmdline', 'own=1', '-o', 'boot3.img'])
  tool('mkbootimg', [
    ...version,
    ...[
      '--vendor_ramdisk',
      'ramdisk',
      '--vendor_cmdline',
      'vendor=1',
      '--dtb',
      'kernel',
      '--vendor_boot',
      'vendor.img',
    ],
  ])
  const handles = await Promise.all([open(path('boot3.img')), open(path('vendor.img'))])
  const [boot, vendorBoot] = handles
  using made = await plan({ kernel: boot, vendorBoot, root })
  await made.prepare()
  expect(made.toJSON()).toMatchObject({
    commandLine: 'vendor=1 own=1',
    initrds: [`${path('vendor.img')}:vendor ramdisk`, `${path('boot3.img')}:ramdisk`],
    refusals: [],
  })
  using alone = await plan({ kernel: boot, root })
  expect(texts(alone.warnings)).toContain('give it with vendorBoot')
  await expect(plan({ kernel: boot, vendorBoot: kernel, root })).rejects.toMatchObject({ reason: 'invalid-argument' })
  for (const handle of handles) await handle.close()

  // Interrupted while the kernel is read, after the vendor boot image was opened: neither stays open.
  const before = openFiles()
  const interruption = new AbortController()
  async function* vendorThenInterruption() {
    yield readFileSync(path('vendor.img'))
    setImmediate(() => interruption.abort())
  }
  const { signal } = interruption
  const interrupted = plan({ kernel: '/boot3.img', vendorBoot: vendorThenInterruption(), root, signal })
  await expect(interrupted).rejects.toMatchObject({ reason: 'aborted' })
  expect(openFiles()).toEqual(before)
})
