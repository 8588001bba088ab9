import { readFileSync } from 'node:fs'
import { file, packed, path, tool } from '../image/tools.ts'
import { debian, makeMachine } from './debian.ts'

const kernel = readFileSync('test/fixtures/kernels/vmlinuz-6.1.0-50-cloud-amd64.head')
const archive = Buffer.from(`070701${'0'.repeat(104)}`)

/** The ramdisks of both images. */
export const ramdisks = { own: packed(archive, 'gzip'), vendor: packed(archive, 'xz', '--check=crc32') }

/** A machine with a boot image of version 3 and the vendor's, which has a boot configuration from version 4 on. */
export function androidMachine(bootconfig?: string): string {
  file('kernel', Buffer.concat([kernel, Buffer.alloc(14_200_000)]))
  file('ramdisk', ramdisks.own)
  file('vendor-ramdisk', ramdisks.vendor)
  const common = ['--header_version', '3']
  tool('mkbootimg', [...common, '--kernel', 'kernel', '--ramdisk', 'ramdisk', '--cmdline', 'own=1', '-o', 'boot.img'])
  const vendor = ['--vendor_ramdisk', 'vendor-ramdisk', '--vendor_cmdline', 'vendor=1', '--dtb', 'kernel']
  tool('mkbootimg', [...common, ...vendor, '--vendor_boot', 'vendor.img'])
  const made = readFileSync(path('vendor.img'))
  return makeMachine({
    ...debian,
    '/boot/boot.img': { file: readFileSync(path('boot.img')) },
    '/boot/vendor.img': { file: bootconfig === undefined ? made : version4(made, bootconfig) },
    '/boot/other.img': 'initrd',
  })
}

/** Debian's mkbootimg knows no version 4: its header has four numbers more and still fills two pages; the text is on pages behind. */
function version4(made: Buffer, bootconfig: string): Buffer {
  const image = Buffer.concat([made, Buffer.from(bootconfig)])
  image.writeUInt32LE(4, 8)
  image.writeUInt32LE(2128, 2096)
  image.writeUInt32LE(bootconfig.length, 2124)
  return image
}
