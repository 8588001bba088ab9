import { closeSync, openSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, onTestFinished, test } from 'vitest'
import { fileBytes } from '../../../../src/bytes/bytes.ts'
import type { SegmentImage } from '../../../../src/engine/layout/segments/segment.ts'
import type { PlanOptions } from '../../../../src/index.ts'
import { refuseWhatDoesNotFit } from '../../../../src/plan/loading/last-look.ts'
import { filesOf, originOf } from '../../../../src/plan/loading/remembered.ts'
import { buildSegments, buildSegmentsSync, type SegmentParts } from '../../../../src/plan/loading/segments.ts'
import { System } from '../../../../src/system/system.ts'
import { emptyArchive, kernelOf, type Tree } from '../../entries/tree.ts'
import { arm64Image } from '../../image/tools.ts'
import { debian, makeMachine, newer, older } from '../debian.ts'
import { machineWith } from '../machines.ts'
import { preparedFor } from './prepared.ts'

describe('the segments of a prepared plan', () => {
  async function parts(options: PlanOptions = {}): Promise<{ system: System; parts: SegmentParts }> {
    const root = machineWith()
    const made = await preparedFor({ root, entry: newer, engine: 'segments', ...options })
    const { kernelFd, unpackedKernel, initrdFd } = made.prepared
    const { image } = made.context.kernel
    const given = { kernelFd, unpackedKernel, initrdFd, image, commandLine: 'root=/dev/vda1 of=this-plan' }
    const plain = { verify: false, panic: false, deviceTree: null, inFreeMemory: false }
    return { system: new System(root), parts: { ...given, ...plain } }
  }
  const contents = ({ segments }: SegmentImage) => Buffer.concat(segments.map(({ bytes }) => bytes))

  test('hold its initrd and its command line, whether they are made at once or in time', async () => {
    const { system, parts: whole } = await parts()
    const inTime = await buildSegments(system, whole, undefined)
    const atOnce = buildSegmentsSync(system, whole)
    for (const image of [inTime, atOnce]) {
      expect(contents(image).includes(emptyArchive)).toBe(true)
      expect(contents(image).includes('root=/dev/vda1 of=this-plan\0')).toBe(true)
    }
    // The boot parameters hold a random seed; the places are the same.
    const places = ({ entry, segments }: SegmentImage) => [entry, segments.map(({ name, address }) => [name, address])]
    expect(places(atOnce)).toEqual(places(inTime))
  })

  test('hold no initrd where there is none', async () => {
    const { system, parts: bare } = await parts({ noInitrd: true })
    expect(bare.initrdFd).toBe(-1)
    expect(contents(await buildSegments(system, bare, undefined)).includes(emptyArchive)).toBe(false)
    expect(contents(buildSegmentsSync(system, bare)).includes(emptyArchive)).toBe(false)
  })

  test('are not made of a kernel that nobody lays out', async () => {
    const { system, parts: whole } = await parts()
    const image = { ...whole.image, format: 's390 Image', architecture: 's390x', setupHeader: null } as const
    expect(() => buildSegmentsSync(system, { ...whole, image })).toThrow(
      expect.objectContaining({
        reason: 'not-a-kernel',
        summary: 'kexec_load is given no s390 Image here',
        refused: true,
      }),
    )
  })
})

// The last look is at this machine, whatever it is: so at kernels for it, and for another.
const isArm = process.arch === 'arm64'
const foreign = isArm ? kernelOf(older) : arm64Image()
describe.runIf(isArm || process.arch === 'x64')('the last look before the kernel is asked', () => {
  const own: Tree = isArm ? { '/boot/own': { file: arm64Image() } } : { '/boot/own': { kernel: older } }
  const options = (root: string): PlanOptions => ({ root, kernel: '/boot/own', commandLine: 'ro', noInitrd: true })
  /** Refuses or not, with other descriptors than those that were prepared. */
  async function look(given: PlanOptions, changes: { initrdFd?: number; kernelFd?: number } = {}) {
    const { context, choices, prepared } = await preparedFor(given)
    return () => refuseWhatDoesNotFit(context, choices, { ...prepared, ...changes })
  }
  function sparse(size: number): number {
    const path = join(makeMachine({ '/sparse': 'empty' }), 'sparse')
    truncateSync(path, size)
    const fd = openSync(path, 'r')
    onTestFinished(() => closeSync(fd))
    return fd
  }

  test('lets a kernel for this machine through, and none for another, wherever it was planned', async () => {
    const machine = makeMachine({ ...debian, ...own, '/boot/foreign': { file: foreign } })
    expect(await look(options(machine))).not.toThrow()
    expect(await look({ ...options(machine), kernel: '/boot/foreign' })).toThrow(
      expect.objectContaining({ reason: 'wrong-architecture', path: '/boot/foreign', refused: true }),
    )
  })

  test('is at the size that the initrd has by now', async () => {
    const machine = makeMachine({ ...debian, ...own })
    const large = { initrdFd: sparse(5 * 1024 ** 3) }
    const refusal = expect.objectContaining({ reason: 'initrd-too-large', path: 'the initrd', code: 'EFBIG' })
    expect(await look(options(machine), large)).toThrow(refusal)
    expect(await look({ ...options(machine), tryAnyway: true }, large)).toThrow(refusal)
  })

  test('is at the length of the kernel that was unpacked', async () => {
    const machine = makeMachine({ ...debian, ...own })
    const { context } = await preparedFor(options(machine))
    const { source } = context.kernel.file
    const packed = gzipSync(source.read(0, source.size), { level: 1 })
    const given = { ...options(machine), kernel: packed }
    expect(await look(given)).not.toThrow()
    const cut = { kernelFd: sparse(100_000) }
    expect(await look(given, cut)).toThrow(expect.objectContaining({ reason: 'truncated-kernel', path: '(bytes)' }))
    expect(await look({ ...given, tryAnyway: true }, cut)).not.toThrow()
  })
})

describe('what is noted of a load', () => {
  test('is the word that chose the kernel, and the entry', async () => {
    const root = makeMachine()
    const { context } = await preparedFor({ root, entry: newer })
    const { entry } = context.target
    expect(originOf({ entry: newer }, entry)).toEqual({
      selector: newer,
      entry: `vmlinuz-${newer}`,
      title: entry?.title,
      source: 'boot-dir',
    })
    const nobody = { entry: null, title: null, source: null }
    expect(originOf({ target: './k' }, null)).toEqual({ selector: './k', ...nobody })
    expect(originOf({ kernel: '/boot/k' }, null)).toEqual({ selector: '/boot/k', ...nobody })
    expect(originOf({ kernel: Buffer.from('k') }, null)).toEqual({ selector: null, ...nobody })
    expect(originOf({}, null)).toEqual({ selector: null, ...nobody })
  })

  test('are the files by their names on this machine, with the version of the kernel', async () => {
    const names = Array.from({ length: 120 }, (_, index) => `/srv/files/${String(index).padStart(3, '0')}`)
    const root = makeMachine({ ...debian, ...Object.fromEntries(names.map((name) => [name, 'empty' as const])) })
    const overlay = [{ source: '/srv/files', destination: '/files' }]
    const { context } = await preparedFor({ root, entry: newer, overlay })
    const noted = filesOf(context)
    expect(noted).toMatchObject({
      version: newer,
      kernel: { path: join(root, `/boot/vmlinuz-${newer}`), size: context.kernel.file.size },
      initrds: [{ path: join(root, `/boot/initrd.img-${newer}`), size: emptyArchive.length }],
      others: [],
    })
    // More names than anyone reads are left out.
    expect(noted.overlay).toHaveLength(100)
    expect(noted.overlay).toContain(names[0])
  })

  test('of bytes is that they were bytes', async () => {
    const root = makeMachine()
    const fd = openSync(join(root, `/boot/vmlinuz-${newer}`), 'r')
    const kernel = Buffer.from(fileBytes(fd, 14_000_000).read(0, 14_000_000))
    closeSync(fd)
    const given = { root, kernel, commandLine: 'ro', initrds: [emptyArchive] }
    const { context } = await preparedFor(given)
    expect(filesOf(context)).toMatchObject({
      kernel: { path: '(bytes)', device: null },
      initrds: [{ path: '(bytes)', size: emptyArchive.length }],
      overlay: [],
    })
  })
})
