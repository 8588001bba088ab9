import { appendFileSync, readFileSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { plan } from '../../../../src/index.ts'
import { bootconfigTrailer } from '../../../../src/initrd/bootconfig.ts'
import { prepareSync } from '../../../../src/plan/loading/preparation.ts'
import type { PreparationProgress } from '../../../../src/plan/loading/progress.ts'
import { emptyArchive, type Tree } from '../../entries/tree.ts'
import { file, path, tool } from '../../image/tools.ts'
import { androidMachine, ramdisks } from '../android.ts'
import { debian, makeMachine, newer } from '../debian.ts'
import { contentOf, decided, memoryFiles, openIn, preparedFor } from './prepared.ts'

const kernel = `/boot/vmlinuz-${newer}`
const packed = gzipSync(emptyArchive)
const initrds: Tree = { '/tmp/packed.img': { file: packed }, '/tmp/plain.img': { file: emptyArchive } }
const machine = () => makeMachine({ ...debian, ...initrds })
const given = { kernel, commandLine: 'root=/dev/vda1' } as const
/** Between two archives: at least four zeros, up to a multiple of four. */
const between = (length: number) => Buffer.alloc(4 + ((4 - ((length + 4) % 4)) % 4))

describe('the initrd', () => {
  test('that is a single file is given as that file, whose signature still counts', async () => {
    const root = machine()
    const { context, prepared, initrd } = await preparedFor({ ...given, root, initrds: ['/tmp/packed.img'] })
    expect(prepared.initrdFd).toBe(context.initrds.archives[0]?.file?.fd)
    expect(prepared.kernelFd).toBe(context.kernel.file.fd)
    expect([initrd, prepared.memoryBytes, prepared.extracted, prepared.unpackedKernel]).toEqual([packed, 0, null, null])
  })

  test('is none where none was wanted', async () => {
    const { prepared } = await preparedFor({ ...given, root: machine(), noInitrd: true })
    expect([prepared.initrdFd, prepared.memoryBytes]).toEqual([-1, 0])
  })

  test("with U-Boot's header is what is behind the header", async () => {
    file('initrd', emptyArchive)
    tool('mkimage', ['-A', 'x86_64', '-O', 'linux', '-T', 'ramdisk', '-C', 'none', '-d', 'initrd', 'uInitrd'])
    const root = makeMachine({ ...debian, '/tmp/uInitrd': { file: readFileSync(path('uInitrd')) } })
    const { initrd } = await preparedFor({ ...given, root, initrds: ['/tmp/uInitrd'] })
    expect(initrd).toEqual(emptyArchive)
  })

  test('of several files is all of them in their order, in memory', async () => {
    const before = memoryFiles()
    const { prepared, initrd } = await preparedFor({
      ...given,
      root: machine(),
      initrds: ['/tmp/packed.img', '/tmp/plain.img'],
    })
    const joined = Buffer.concat([packed, between(packed.length), emptyArchive])
    expect(initrd).toEqual(joined)
    expect(prepared.memoryBytes).toBe(joined.length)
    prepared.close()
    expect(memoryFiles()).toEqual(before)
  })

  test('of a fast load is unpacked, and what it was made of is freed', async () => {
    const before = memoryFiles()
    const fast = { ...given, root: machine(), fast: true } as const
    const seen: PreparationProgress[] = []
    const onProgress = (progress: PreparationProgress) => seen.push(progress)
    const one = await preparedFor({ ...fast, initrds: ['/tmp/packed.img'] }, { onProgress })
    expect(one.initrd).toEqual(emptyArchive)
    expect(one.prepared.memoryBytes).toBe(emptyArchive.length)
    expect(seen.at(-1)).toEqual({ step: 'unpacking the initrd', done: packed.length, total: packed.length })
    one.prepared.close()
    expect(memoryFiles()).toEqual(before)

    const two = await preparedFor({ ...fast, initrds: ['/tmp/packed.img', '/tmp/plain.img'] })
    expect(two.initrd).toEqual(Buffer.concat([emptyArchive, between(emptyArchive.length), emptyArchive]))
    expect(memoryFiles()).toHaveLength(before.length + 1)
    two.prepared.close()
    expect(memoryFiles()).toEqual(before)
  })

  test('has the overlay behind it', async () => {
    const root = makeMachine({ ...debian, ...initrds, '/etc/motd': { text: 'hello\n' } })
    const { initrd } = await preparedFor({ ...given, root, initrds: ['/tmp/packed.img'], overlay: ['/etc/motd'] })
    const behind = (initrd as Buffer).subarray(packed.length + between(packed.length).length)
    expect((initrd as Buffer).subarray(0, packed.length)).toEqual(packed)
    expect(tool('cpio', ['-t', '--quiet'], behind).toString()).toMatch(/^etc\/?\netc\/motd\n$/)
    expect(tool('cpio', ['-i', '--quiet', '--to-stdout', 'etc/motd'], behind).toString()).toBe('hello\n')
  })

  test.each([
    ['plain', (archive: Buffer) => archive],
    ['packed', (archive: Buffer) => gzipSync(archive)],
  ])('that is %s has links: the overlay follows them instead of replacing them', async (_, pack) => {
    const directory = makeMachine({ '/usr/lib/firmware/old': { text: '' }, '/lib': { link: 'usr/lib' } })
    const names = 'lib\nusr\nusr/lib\nusr/lib/firmware\n'
    const archive = tool('cpio', ['-o', '-H', 'newc', '--quiet', '-D', directory], Buffer.from(names))
    const root = makeMachine({ ...debian, '/tmp/linked.img': { file: pack(archive) }, '/tmp/blob': { text: 'new' } })
    const overlay = [{ source: '/tmp/blob', destination: '/lib/firmware/blob' }]
    const { initrd } = await preparedFor({ ...given, root, initrds: ['/tmp/linked.img'], overlay })
    const start = pack(archive).length
    const behind = (initrd as Buffer).subarray(start + between(start).length)
    expect(tool('cpio', ['-t', '--quiet'], behind).toString().trim().split('\n').at(-1)).toBe('usr/lib/firmware/blob')
  })
})

describe('the initrd of an Android boot image', () => {
  const text = 'androidboot.hardware=x\n'
  const given = { kernel: '/boot/boot.img', vendorBoot: '/boot/vendor.img' } as const

  test("is the vendor's ramdisk, its own, and the boot configuration at the very end", async () => {
    const { initrd } = await preparedFor({ ...given, root: androidMachine(text) })
    const { vendor, own } = ramdisks
    const joined = Buffer.concat([vendor, between(vendor.length), own])
    const trailer = bootconfigTrailer(Buffer.from(text))
    expect(initrd?.subarray(0, joined.length)).toEqual(joined)
    expect(initrd?.subarray(-trailer.length)).toEqual(trailer)
  })

  test('is not made at once', async () => {
    const { context, choices } = await decided({ ...given, root: androidMachine(text) })
    expect(() => prepareSync(context, choices)).toThrow(expect.objectContaining({ reason: 'invalid-argument' }))
  })
})

describe('the kernel', () => {
  test('in a container is unpacked into memory', async () => {
    const root = machine()
    const plain = readFileSync(join(root, kernel))
    const packedKernel = gzipSync(plain, { level: 1 })
    const before = memoryFiles()
    const seen: PreparationProgress[] = []
    const made = await preparedFor(
      { ...given, root, kernel: packedKernel, noInitrd: true },
      { onProgress: (progress) => seen.push(progress) },
    )
    expect(made.kernel.equals(plain)).toBe(true)
    expect(made.prepared.memoryBytes).toBe(plain.length)
    expect(seen.at(-1)).toEqual({
      step: 'unpacking the kernel',
      done: packedKernel.length,
      total: packedKernel.length,
    })
    made.prepared.close()
    expect(memoryFiles()).toEqual(before)
  })
})

describe('a file that was written since it was inspected', () => {
  const changed = (path: string) => ({
    reason: 'file-changed',
    path,
    summary: 'the file was changed after it was inspected',
    hint: 'Wait until its writer has finished, and plan again.',
    refused: true,
  })

  test.each([
    ['longer', (file: string) => appendFileSync(file, 'x')],
    ['as long, and newer', (file: string) => utimesSync(file, 1, 1)],
  ])('is not loaded: %s', async (_, write) => {
    for (const path of [kernel, '/tmp/packed.img', '/tmp/plain.img']) {
      const root = machine()
      using made = await plan({ ...given, root, initrds: ['/tmp/packed.img', '/tmp/plain.img'] })
      write(join(root, path))
      await expect(made.prepare(), path).rejects.toMatchObject(changed(path))
    }
  })

  test('while it was copied is not loaded either, and the copy is freed', async () => {
    const root = machine()
    const before = memoryFiles()
    using made = await plan({ ...given, root, fast: true, initrds: ['/tmp/packed.img'] })
    const onProgress = () => appendFileSync(join(root, kernel), 'x')
    await expect(made.prepare({ onProgress })).rejects.toMatchObject(changed(kernel))
    expect(memoryFiles()).toEqual(before)
  })
})

describe('preparing at once', () => {
  test('joins files as preparing in time does', async () => {
    const root = machine()
    for (const paths of [['/tmp/packed.img'], ['/tmp/packed.img', '/tmp/plain.img']]) {
      const options = { ...given, root, initrds: paths }
      const { prepared, initrd } = await preparedFor(options)
      const { context, choices } = await decided(options)
      const atOnce = prepareSync(context, choices)
      expect(contentOf(atOnce).initrd).toEqual(initrd)
      expect(atOnce.memoryBytes).toBe(prepared.memoryBytes)
      expect(atOnce).toMatchObject({ extracted: null, unpackedKernel: null, warnings: [] })
      atOnce.close()
    }
  })

  test('is refused where something must be unpacked or laid out first', async () => {
    const root = makeMachine({ ...debian, ...initrds, '/etc/motd': { text: 'hello\n' } })
    const inGzip = gzipSync(readFileSync(join(root, kernel)), { level: 1 })
    for (const [name, options] of [
      ['a packed kernel', { kernel: inGzip, noInitrd: true }],
      ['an initrd that is unpacked', { fast: true, initrds: ['/tmp/packed.img'] }],
      ['an overlay', { overlay: ['/etc/motd'], initrds: ['/tmp/plain.img'] }],
    ] as const) {
      const { context, choices } = await decided({ ...given, root, ...options })
      expect(() => prepareSync(context, choices), name).toThrow(
        expect.objectContaining({
          reason: 'invalid-argument',
          refused: true,
          hint: 'Await prepare() before loadSync(), or use load().',
        }),
      )
    }
    const { context, choices } = await decided({ ...given, root, fast: true, initrds: ['/tmp/plain.img'] })
    prepareSync(context, choices).close()
  })

  test('heeds changes, too', async () => {
    const root = machine()
    const { context, choices } = await decided({ ...given, root, initrds: ['/tmp/plain.img'] })
    appendFileSync(join(root, '/tmp/plain.img'), 'x')
    expect(() => prepareSync(context, choices)).toThrow(expect.objectContaining({ reason: 'file-changed' }))
  })
})

describe('a plan that cannot be made', () => {
  test('leaves no file open', async () => {
    const root = makeMachine({ ...debian, ...initrds })
    const open = () => openIn(root)
    const initrd = '/tmp/plain.img'
    for (const options of [
      { initrds: [initrd], commandLine: 'ro', append: 'open="quote' },
      { initrds: [initrd], noInitrd: true },
      { initrds: [initrd], commandLine: 'ro', reuseCommandLine: true },
      { initrds: [initrd], vendorBoot: '/tmp/packed.img' },
    ])
      await expect(plan({ root, kernel, ...options }), JSON.stringify(options)).rejects.toMatchObject({
        reason: 'invalid-argument',
      })
    expect(open()).toEqual([])
    const made = await plan({ ...given, root, initrds: [initrd] })
    expect(open()).toHaveLength(2)
    made.close()
    made.close()
    expect(open()).toEqual([])
  })
})

describe('a plan', () => {
  const inMemory = async () => {
    const root = machine()
    const bytes = gzipSync(readFileSync(join(root, kernel)), { level: 1 })
    return plan({ ...given, root, kernel: bytes, noInitrd: true })
  }

  test('that is prepared twice holds one copy', async () => {
    const before = memoryFiles()
    using made = await inMemory()
    await Promise.all([made.prepare(), made.prepare()])
    await made.prepare()
    expect(memoryFiles()).toHaveLength(before.length + 1)
    made.close()
    expect(memoryFiles()).toEqual(before)
  })

  test('that is closed while it is prepared holds none', async () => {
    const before = memoryFiles()
    const made = await inMemory()
    const preparing = made.prepare()
    made.close()
    await expect(preparing).rejects.toMatchObject({
      reason: 'invalid-argument',
      summary: 'this plan was loaded or closed already',
      hint: 'A plan loads once: make a new one with plan().',
    })
    expect(memoryFiles()).toEqual(before)
  })

  test('is not prepared nor loaded once that is cancelled', async () => {
    using made = await inMemory()
    const signal = AbortSignal.abort()
    await expect(made.prepare({ signal })).rejects.toMatchObject({ reason: 'aborted' })
    await expect(made.load({ signal })).rejects.toMatchObject({ reason: 'aborted' })
    await expect(made.prepare()).rejects.toMatchObject({ reason: 'invalid-argument' })
  })
})
