import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { identifyKernel } from '../../../src/entries/names/identify.ts'
import { Survey } from '../../../src/entries/survey/survey.ts'
import { System } from '../../../src/system/system.ts'
import { makeTree, type Tree } from './tree.ts'

const head = (name: string) => readFileSync(join(import.meta.dirname, '../../fixtures/kernels', name))

/** What a list says of a kernel file that is the only one of its machine. */
function listed(file: Buffer) {
  const tree: Tree = { '/boot/vmlinuz': { file } }
  return new Survey(new System(makeTree(tree)), identifyKernel).kernelFile('/boot/vmlinuz')
}

test('an s390 kernel is known by what lies behind its first 64 KiB', () => {
  const kernel = gunzipSync(head('s390x-6.1.0-50.head.gz'))
  expect(listed(kernel)).toMatchObject({ architecture: 's390x', problems: [] })
  expect(listed(kernel.subarray(0, 0x10000)).problems).toMatchObject([
    { code: 'not-a-kernel', text: expect.stringContaining('not a kernel') },
  ])
})

test('a zImage of 32-bit ARM is a kernel, although only kexec_load takes it', () => {
  const kernel = Buffer.alloc(6_046_208)
  head('armhf-6.1.0-50-rt-armmp.head').copy(kernel)
  expect(listed(kernel)).toMatchObject({ architecture: 'armv7l', problems: [] })
})

/** An ELF header as of Debian's 6.12 for POWER, whose entry point readelf gives as 0xc000000000000000; or of a program. */
function elfOfPower(entry: bigint): Buffer {
  const bytes = Buffer.alloc(4096)
  Buffer.from('7f454c460201010000000000000000000200150001000000', 'hex').copy(bytes)
  bytes.writeBigUInt64LE(entry, 24)
  return bytes
}

test('a vmlinux of POWER is known by where it runs: no program does there', () => {
  expect(listed(elfOfPower(0xc000000000000000n))).toMatchObject({ architecture: 'ppc64le', problems: [] })
  expect(listed(elfOfPower(0x10000000n)).problems).toMatchObject([
    { code: 'not-a-kernel', text: expect.stringContaining('not a kernel') },
  ])
})
