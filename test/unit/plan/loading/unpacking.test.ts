import { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { fileBytes, memoryBytes } from '../../../../src/bytes/bytes.ts'
import { readSetupHeader } from '../../../../src/image/model/setup-header.ts'
import type { InitrdPart } from '../../../../src/initrd/join.ts'
import type { PlannedKernel } from '../../../../src/plan/context/kernel.ts'
import { prepare } from '../../../../src/plan/loading/preparation.ts'
import type { PreparationProgress } from '../../../../src/plan/loading/progress.ts'
import { Unpacking } from '../../../../src/plan/loading/unpacking.ts'
import { debianKernel } from '../../engine/layout/machines.ts'
import { emptyArchive } from '../../entries/tree.ts'
import { makeMachine, unsigned } from '../debian.ts'
import { decided, memoryFiles } from './prepared.ts'

/** An ELF file of nothing but its section headers, and behind it what relocs.c puts there: lists after zeros. */
function elf(...behind: number[]): Buffer {
  const content = Buffer.alloc(128 + behind.length * 4)
  content.write('\x7fELF', 'latin1')
  content.writeBigUInt64LE(64n, 40)
  content.writeUInt16LE(64, 58)
  content.writeUInt16LE(1, 60)
  for (const [index, word] of behind.entries()) content.writeUInt32LE(word, 128 + index * 4)
  return content
}

/** Debian's kernel, with this in place of what it unpacks. */
function bzImageOf(content: Buffer): Buffer {
  const { bytes, header } = debianKernel()
  const payload = gzipSync(content)
  const image = unsigned(bytes)
  payload.copy(image, header.payload?.offset)
  image.writeUInt32LE(payload.length, 0x24c)
  return image
}

const part = (bytes: Buffer, name = 'initrd'): InitrdPart => ({ name, bytes: memoryBytes(bytes), fd: null })
/** Larger than any machine. */
const tooLarge = 2 ** 60

/** The kernel of a plan, as it is when its content is unpacked. */
async function unpackingOf(image: Buffer, more: Partial<PlannedKernel['image']> = {}, seen?: PreparationProgress[]) {
  const { context, choices } = await decided({
    kernel: image,
    commandLine: 'ro',
    noInitrd: true,
    root: makeMachine({ '/etc': 'directory' }),
  })
  const prepared = await prepare(context, choices)
  const kernel = { ...context.kernel, image: { ...context.kernel.image, ...more } }
  const onProgress = (progress: PreparationProgress) => seen?.push(progress)
  return { context, prepared, unpacking: new Unpacking(kernel, prepared.kernelFd, 'segments', { onProgress }) }
}

describe('the kernel in a bzImage', () => {
  const content = elf(0, 0x1000000, 0, 0x1000010)

  test('is unpacked before the reboot, with what it was packed in, and progress is told', async () => {
    const image = bzImageOf(content)
    const seen: PreparationProgress[] = []
    const { unpacking, prepared } = await unpackingOf(image, {}, seen)
    const unpacked = await unpacking.unpackKernel([part(emptyArchive)])
    expect(unpacked?.content).toEqual(content)
    expect(unpacked?.bzImage.equals(image)).toBe(true)
    expect(unpacking.warnings).toEqual([])
    expect(seen.at(-1)).toMatchObject({ step: 'unpacking the kernel', total: image.length })
    prepared.close()
  })

  test('in a form that is not known is left compressed, and told', async () => {
    // Four lists; there are three at most.
    const { unpacking, prepared } = await unpackingOf(bzImageOf(elf(0, 1, 0, 2, 0, 3, 0, 4)))
    expect(await unpacking.unpackKernel([])).toBeNull()
    expect(unpacking.warnings).toEqual([
      {
        code: 'left-compressed',
        text: 'the kernel is left compressed after all: its unpacked form has an unknown layout',
      },
    ])
    prepared.close()
  })

  test('is left compressed where memory lacks, with all initrds counted', async () => {
    const { unpacking, prepared } = await unpackingOf(bzImageOf(content))
    const large: InitrdPart = { name: 'large', bytes: { size: tooLarge, read: () => Buffer.alloc(0) }, fd: null }
    expect(await unpacking.unpackKernel([part(emptyArchive), large])).toBeNull()
    expect(unpacking.warnings).toMatchObject([
      {
        code: 'left-compressed',
        text: expect.stringMatching(
          /^the kernel is left compressed after all: with it unpacked kernel and initrd take .*, and Linux loads at most half/,
        ),
      },
    ])
    prepared.close()
  })

  test('that is damaged is no lack of memory: the load fails before the kernel is asked', async () => {
    const image = bzImageOf(content)
    const { payload } = readSetupHeader(image)
    image.fill(0xff, (payload?.offset ?? 0) + 12, (payload?.offset ?? 0) + 40)
    const { unpacking, prepared } = await unpackingOf(image)
    await expect(unpacking.unpackKernel([])).rejects.toMatchObject({ reason: 'damaged-image', refused: true })
    expect(unpacking.warnings).toEqual([])
    prepared.close()
  })

  test('is no business of other formats', async () => {
    const { unpacking, prepared } = await unpackingOf(bzImageOf(content), { setupHeader: null })
    expect(await unpacking.unpackKernel([])).toBeNull()
    expect(unpacking.warnings).toEqual([])
    prepared.close()
  })
})

describe('the initrds', () => {
  const zeros = Buffer.concat([emptyArchive, Buffer.alloc(40 * 1024 * 1024)])
  const large = gzipSync(zeros, { level: 1 })

  test('are unpacked each by itself, and one that cannot be stays as it is', async () => {
    const before = memoryFiles()
    const { unpacking, prepared } = await unpackingOf(bzImageOf(elf()))
    const mine = memoryFiles().length
    const streamed: InitrdPart = {
      name: 'in the image',
      bytes: (async function* () {
        yield emptyArchive
      })(),
      fd: null,
    }
    const plain = part(emptyArchive, 'plain')
    const unpacked = await unpacking.unpackInitrds([part(large, 'large'), plain, streamed])
    const [first, ...others] = unpacked?.parts ?? []
    expect(others).toEqual([plain, streamed])
    expect(first).toMatchObject({ name: 'large', fd: expect.any(Number) })
    expect(
      fileBytes(first?.fd as number, zeros.length)
        .read(0, zeros.length)
        .equals(gunzipSync(large)),
    ).toBe(true)
    expect(memoryFiles()).toHaveLength(mine + 1)
    unpacked?.close()
    expect(memoryFiles()).toHaveLength(mine)
    prepared.close()
    expect(memoryFiles()).toEqual(before)
  })

  test('are left compressed where memory lacks, and nothing of them is kept', async () => {
    const { unpacking, prepared } = await unpackingOf(bzImageOf(elf()), { memoryNeeded: tooLarge })
    const mine = memoryFiles()
    expect(await unpacking.unpackInitrds([part(gzipSync(emptyArchive)), part(large)])).toBeNull()
    expect(unpacking.warnings).toMatchObject([
      {
        code: 'left-compressed',
        text: expect.stringMatching(
          /^the initrd is left compressed after all: with it unpacked kernel and initrd take/,
        ),
      },
    ])
    expect(memoryFiles()).toEqual(mine)
    prepared.close()
  })

  test('that are cancelled are not a lack of memory either', async () => {
    const { context, prepared } = await unpackingOf(bzImageOf(elf()))
    const { kernel } = context
    const mine = memoryFiles()
    const unpacking = new Unpacking(kernel, prepared.kernelFd, 'file', { signal: AbortSignal.abort() })
    await expect(unpacking.unpackInitrds([part(large)])).rejects.toMatchObject({ reason: 'aborted' })
    expect(unpacking.warnings).toEqual([])
    expect(memoryFiles()).toEqual(mine)
    prepared.close()
  })
})
