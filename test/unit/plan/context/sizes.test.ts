import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { inspectFile } from '../../../../src/image/inspect/open.ts'
import type { PlanOptions } from '../../../../src/index.ts'
import { plannedSizes, unpackedBytes } from '../../../../src/plan/context/sizes.ts'
import { emptyArchive } from '../../entries/tree.ts'
import { file, path, tool } from '../../image/tools.ts'
import { debian, makeMachine, newer } from '../debian.ts'
import { decided } from '../loading/prepared.ts'

const kernel = `/boot/vmlinuz-${newer}`
const packed = gzipSync(emptyArchive)

function machine(): string {
  file('initrd', emptyArchive)
  tool('mkimage', ['-A', 'x86_64', '-O', 'linux', '-T', 'ramdisk', '-C', 'none', '-n', 'u', '-d', 'initrd', 'uInitrd'])
  return makeMachine({
    ...debian,
    '/tmp/plain.img': { file: emptyArchive },
    '/tmp/packed.img': { file: packed },
    '/tmp/uInitrd': { file: readFileSync(path('uInitrd')) },
    '/etc/motd': { text: 'hello' },
  })
}

async function sizesOf(root: string, options: PlanOptions) {
  const { context } = await decided({ root, kernel, commandLine: 'ro', ...options })
  return plannedSizes(context.kernel, context.initrds)
}

describe('what is copied into memory before the call', () => {
  test('is nothing where both are files of their own', async () => {
    const root = machine()
    const { size, image } = (await decided({ root, kernel, commandLine: 'ro', noInitrd: true })).context.kernel.file
    expect(await sizesOf(root, { initrds: ['/tmp/plain.img'] })).toEqual({
      kernelFile: size,
      kernelMemory: image.memoryNeeded,
      initrdBytes: emptyArchive.length,
      copiedBytes: 0,
    })
    expect(await sizesOf(root, { noInitrd: true })).toMatchObject({ initrdBytes: 0, copiedBytes: 0 })
  })

  test('are the initrds as soon as something must be joined, taken off or put in', async () => {
    const root = machine()
    const both = emptyArchive.length + packed.length
    expect(await sizesOf(root, { initrds: ['/tmp/plain.img', '/tmp/packed.img'] })).toMatchObject({
      initrdBytes: both,
      copiedBytes: both,
    })
    const laid = emptyArchive.length + 'hello'.length
    expect(await sizesOf(root, { initrds: ['/tmp/plain.img'], overlay: ['/etc/motd'] })).toMatchObject({
      initrdBytes: laid,
      copiedBytes: laid,
    })
    for (const initrd of ['/tmp/uInitrd', emptyArchive])
      expect(await sizesOf(root, { initrds: [initrd] })).toMatchObject({
        initrdBytes: emptyArchive.length,
        copiedBytes: emptyArchive.length,
      })
  })

  test('is the kernel as long as its header says, where it lies in a container', async () => {
    const root = machine()
    const minimum = inspectFile(join(root, kernel)).minimumSize
    const inGzip = gzipSync(readFileSync(join(root, kernel)), { level: 1 })
    expect(await sizesOf(root, { kernel: inGzip, initrds: ['/tmp/plain.img'] })).toMatchObject({
      kernelFile: minimum,
      copiedBytes: minimum,
    })
  })
})

test('what initrds unpack to counts the overlay, and is unknown as soon as one is', async () => {
  const root = machine()
  const unpacked = async (options: PlanOptions) => {
    const { context } = await decided({ root, kernel, commandLine: 'ro', ...options })
    return unpackedBytes(context.initrds, undefined)
  }
  const one = await unpacked({ initrds: ['/tmp/packed.img'] })
  expect(one).toBeGreaterThanOrEqual(0)
  const laid = await unpacked({ initrds: ['/tmp/packed.img', '/tmp/packed.img'], overlay: ['/etc/motd'] })
  expect(laid).toBe(2 * (one as number) + 'hello'.length)
  expect(await unpacked({ noInitrd: true })).toBe(0)
})
