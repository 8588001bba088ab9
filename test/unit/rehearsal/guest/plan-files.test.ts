import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { crc32 } from '../../../../src/bytes/crc32.ts'
import { plan } from '../../../../src/index.ts'
import { bootconfigTrailer } from '../../../../src/initrd/bootconfig.ts'
import { writePlanFiles } from '../../../../src/rehearsal/guest/plan-files.ts'
import { makeTree } from '../../entries/tree.ts'
import { androidMachine } from '../../plan/android.ts'

test('the initrd counts as the kernel shows it: without the bootconfig at its end', async () => {
  const text = 'androidboot.hardware=x\n'
  const root = androidMachine(text)
  const files = { kernel: '/boot/boot.img', vendorBoot: '/boot/vendor.img' }
  // Its kernel is the head of one.
  using made = await plan({ root, ...files, commandLine: 'a', tryAnyway: true })
  const { initrd } = await writePlanFiles(made, makeTree({}), undefined)
  const bytes = readFileSync(initrd?.path as string)
  const trailer = bootconfigTrailer(Buffer.from(text))
  expect(bytes.subarray(-trailer.length)).toEqual(trailer)
  const shown = bytes.subarray(0, -trailer.length)
  expect(initrd).toMatchObject({ size: shown.length, crc32: crc32(shown) })
})
