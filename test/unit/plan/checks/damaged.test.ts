import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type PlanOptions, plan } from '../../../../src/index.ts'
import { peImage } from '../../entries/bls/image.ts'
import { kernelOf, type Tree } from '../../entries/tree.ts'
import { arm64Image, file, path, tool } from '../../image/tools.ts'
import { androidMachine } from '../android.ts'
import { debian, makeMachine, newer } from '../debian.ts'

/** What the plan says of its kernel. */
async function said(options: PlanOptions) {
  using made = await plan({ commandLine: 'root=/dev/vda1', noInitrd: true, ...options })
  return {
    refusals: made.refusals.map(({ reason, summary, hint, path: at }) => `${reason} ${at}: ${summary}. ${hint}`),
    warnings: made.warnings.map(({ code, text }) => `${code}: ${text}`),
  }
}

const flipped = (bytes: Buffer, at: number) => {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] as number) ^ 4
  return copy
}

function uimage(content: Buffer): Buffer {
  file('content', content)
  tool('mkimage', ['-A', 'x86_64', '-O', 'linux', '-T', 'kernel', '-C', 'none', '-n', 'T', '-d', 'content', 'uImage'])
  return readFileSync(path('uImage'))
}

describe('a damaged image', () => {
  const kernel = Buffer.concat([arm64Image(), Buffer.alloc(100)])
  const arm: Tree = { ...debian, '/proc/sys/kernel/arch': { text: 'aarch64\n' } }

  test('is told by what it is and by its damage, with the remedy, and loaded where that is asked for', async () => {
    const damaged = flipped(uimage(kernel), 300_000)
    const root = makeMachine({ ...arm, '/boot/uImage': { file: damaged } })
    const { refusals } = await said({ root, kernel: '/boot/uImage' })
    expect(refusals).toEqual([
      expect.stringMatching(
        /^damaged-image \/boot\/uImage: this is a .*uImage.*, damaged: .*CRC.*\. Copy or make the image again\.$/i,
      ),
    ])
    const asked = await said({ root, kernel: '/boot/uImage', tryAnyway: true })
    expect(asked.refusals).toEqual([])
    expect(asked.warnings).toContainEqual(
      expect.stringMatching(/^damaged-image: this is a .*, damaged: .*: it is loaded anyway$/),
    )
  })

  test('whose kernel is compressed and cut off is the image, too', async () => {
    const cut = gzipSync(kernel, { level: 1 }).subarray(0, -20_000)
    const root = makeMachine({ ...arm, '/boot/Image.gz': { file: cut } })
    expect((await said({ root, kernel: '/boot/Image.gz' })).refusals).toEqual([
      expect.stringMatching(
        /^damaged-image \/boot\/Image\.gz: this is gzip.*, damaged: .*\. Copy or make the image again\.$/,
      ),
    ])
  })

  test('of one piece is a kernel to install again, and one of bytes has no path', async () => {
    // The head says where the signature is, and there are zeros.
    const kernel = Buffer.concat([kernelOf(newer), Buffer.alloc(15_000_000)])
    expect((await said({ root: makeMachine(), kernel })).refusals).toEqual([
      expect.stringMatching(/^damaged-image \(bytes\): this is .*, damaged: .*\. Copy or install the kernel again\.$/),
    ])
  })
})

test('a unified image that the stub would not start is refused as the stub would refuse it', async () => {
  const image = peImage({
    sections: [
      ['.osrel', 'ID=debian\n'],
      ['.uname', newer],
      ['.linux', kernelOf(newer)],
    ],
  })
  const root = makeMachine({ ...debian, '/efi/EFI/Linux/one.efi': { file: image } })
  const { refusals } = await said({ root, kernel: '/efi/EFI/Linux/one.efi', profile: 3 })
  expect(refusals).toContainEqual(
    expect.stringMatching(/^damaged-image .*one\.efi: .*it has no profile 3: there are 0/),
  )
})

describe('an Image without a version line', () => {
  const anonymous = Buffer.concat([arm64Image().subarray(0, 64), Buffer.alloc(2_000_000, 1)])
  const arm: Tree = { ...debian, '/proc/sys/kernel/arch': { text: 'aarch64\n' }, '/boot/Image': { file: anonymous } }

  test('may be something else with the same header, and is told so by its path', async () => {
    anonymous.writeBigUInt64LE(BigInt(anonymous.length), 16)
    const { warnings } = await said({ root: makeMachine(arm), kernel: '/boot/Image' })
    expect(warnings).toContain(
      'no-linux-version: /boot/Image has no version line of Linux in it: boot loaders and hypervisors have the same header, and this may be one',
    )
    const named = makeMachine({ ...arm, '/boot/Image': { file: arm64Image() } })
    expect((await said({ root: named, kernel: '/boot/Image' })).warnings.join()).not.toContain('no-linux-version')
  })
})

describe('an Android boot image', () => {
  async function planned(options: PlanOptions) {
    using made = await plan({ kernel: '/boot/boot.img', ...options })
    const { commandLine, decisions, initrds, warnings } = made.toJSON()
    return {
      commandLine,
      initrds,
      bootconfig: decisions.filter(({ subject }) => subject === 'bootconfig'),
      warnings: warnings.map(({ code, text }) => `${code}: ${text}`),
    }
  }

  test('from version 3 on has a vendor boot image beside it, and misses it', async () => {
    for (const root of [androidMachine(), androidMachine('androidboot.hardware=x\n')]) {
      expect((await planned({ root })).warnings).toContain(
        'vendor-boot-not-given: /boot/boot.img has a vendor boot image beside it, with the first part of the ramdisk and of the command line: give it with vendorBoot',
      )
      const given = await planned({ root, vendorBoot: '/boot/vendor.img' })
      expect(given.warnings.join()).not.toContain('vendor-boot-not-given')
      expect(given.initrds).toEqual(['/boot/vendor.img:vendor ramdisk', '/boot/boot.img:ramdisk'])
    }
    tool('mkbootimg', [
      '--header_version',
      '2',
      '--kernel',
      'kernel',
      '--ramdisk',
      'ramdisk',
      '--dtb',
      'kernel',
      '-o',
      'boot2.img',
    ])
    const root = makeMachine({ ...debian, '/boot/boot.img': { file: readFileSync(path('boot2.img')) } })
    expect((await planned({ root })).warnings.join()).not.toContain('vendor-boot-not-given')
  })

  test('of version 4 brings a boot configuration, which the kernel is told to look for', async () => {
    const root = androidMachine('androidboot.hardware=x\n')
    const vendorBoot = '/boot/vendor.img'
    const made = await planned({ root, vendorBoot })
    expect(made.commandLine).toBe('bootconfig vendor=1 own=1')
    expect(made.bootconfig).toEqual([
      {
        subject: 'bootconfig',
        choice: '/boot/vendor.img:bootconfig',
        reason: 'it belongs to the image, and is placed behind the initrd',
      },
    ])
    expect(made.warnings).toContain(
      'bootconfig-incomplete: the bootconfig /boot/vendor.img:bootconfig is passed on as it is: the additions of a boot loader (androidboot.slot_suffix and others) are unknown',
    )
    // Without the initrd of its image there is nothing for it to be behind.
    for (const options of [{ initrds: ['/boot/other.img'] }, { noInitrd: true }]) {
      const without = await planned({ root, vendorBoot, ...options })
      expect(without.bootconfig).toEqual([])
      expect(without.warnings).toContain(
        'bootconfig-left-out: the bootconfig /boot/vendor.img:bootconfig is not passed on, as the initrd of its image is not',
      )
    }
  })

  test('has at most as much of it as kernels read', async () => {
    const most = 32 * 1024 - 1
    const fits = await planned({ root: androidMachine('x'.repeat(most)), vendorBoot: '/boot/vendor.img' })
    expect(fits.bootconfig).toHaveLength(1)
    const tooLong = await planned({ root: androidMachine('x'.repeat(most + 1)), vendorBoot: '/boot/vendor.img' })
    expect(tooLong.bootconfig).toEqual([])
    expect(tooLong.warnings).toContain(
      `bootconfig-left-out: the bootconfig /boot/vendor.img:bootconfig has ${most + 1} bytes, and kernels read at most ${most}`,
    )
  })

  test('what is no vendor boot image is named', async () => {
    const root = androidMachine()
    await expect(plan({ root, kernel: '/boot/boot.img', vendorBoot: '/boot/boot.img' })).rejects.toMatchObject({
      reason: 'invalid-argument',
      summary: expect.stringMatching(/^this is .*Android boot image.*, not a vendor boot image$/),
      path: '/boot/boot.img',
      hint: 'Give the vendor_boot image that was made together with the boot image.',
      refused: true,
    })
  })
})
