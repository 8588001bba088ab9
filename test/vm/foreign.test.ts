import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, fstatSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fileBytes } from '../../src/bytes/bytes.ts'
import type { KernelImage } from '../../src/image/model/image.ts'
import { extractKernel } from '../../src/image/unpack/extract.ts'
import { type Kernel, ProvisionError } from '../../src/vm/index.ts'
import { DebianMirror, packageFile } from '../../src/vm/provision/debian.ts'
import { foreignKernel } from '../../src/vm/provision/kernels.ts'
import { untested } from '../untested.ts'
import { Workshop } from './images.ts'

// Debian's kernels for machines that are not this one: nothing is booted; each is packed as it is in the field, and what we
// take out must be what was put in.

const progress = (message: string) => console.error(`  ${message}`)

interface Architecture {
  readonly name: string
  readonly flavour: string
  /** What the file is. */
  readonly format: string
  readonly machine: string
  /** As mkimage calls it; U-Boot of Debian's stable does not know LoongArch. */
  readonly mkimage?: string
  /** The option of xz for its machine code, as the kernel's scripts/xz_wrap.sh gives it. */
  readonly filter?: string
}

const architectures: readonly Architecture[] = [
  {
    ...{ name: 'arm64', flavour: 'cloud-arm64', format: 'arm64 Image', machine: 'aarch64' },
    ...{ mkimage: 'arm64', filter: '--arm64' },
  },
  { name: 'armhf', flavour: 'armmp', format: 'ARM zImage', machine: 'armv7l', mkimage: 'arm', filter: '--arm' },
  { name: 'riscv64', flavour: 'riscv64', format: 'riscv Image', machine: 'riscv64', mkimage: 'riscv' },
  { name: 's390x', flavour: 's390x', format: 's390 Image', machine: 's390x', mkimage: 's390' },
  {
    ...{ name: 'ppc64el', flavour: 'powerpc64le', format: 'vmlinux', machine: 'ppc64le' },
    ...{ mkimage: 'powerpc', filter: '--powerpc' },
  },
  { name: 'loong64', flavour: 'loong64', format: 'EFI zboot', machine: 'loongarch64' },
]

let shop: Workshop
beforeAll(async () => {
  shop = await Workshop.open()
})
afterAll(() => shop?.close())

describe.each(architectures)('$name', (architecture) => {
  const { name, format, machine } = architecture
  let kernel: Kernel | undefined

  beforeAll(async () => {
    try {
      kernel = await foreignKernel({ architecture: name, flavour: architecture.flavour, suite: 'testing', progress })
    } catch (error) {
      if (!(error instanceof ProvisionError)) throw error
      untested(`the Debian mirror has no kernel for ${name}: ${error.message}`)
    }
  })

  /** A test that is skipped, not passed, where the mirror has no such kernel. */
  const kernelTest = (title: string, body: (kernel: Kernel) => Promise<void> | void) =>
    test(title, ({ skip }) => (kernel ? body(kernel) : skip('the mirror has no such kernel')))

  kernelTest('is known for what it is', async ({ image, release }) => {
    const { chain, innermost } = await original(image)
    expect(chain[0]).toBe(format)
    // A zImage has its version only in the compressed kernel behind its loader.
    expect(innermost).toMatchObject({ architecture: machine, version: format === 'ARM zImage' ? null : release })
  })

  const programs = [['gzip', '-1'], ['zstd'], ['lz4', '-l']]
  if (architecture.filter !== undefined) programs.push(['xz', '--check=crc32', architecture.filter, '--lzma2=preset=0'])
  for (const [program = '', ...args] of programs) {
    kernelTest([program, ...args].join(' '), async ({ image }) => {
      await comesOut(shop.compress(image, shop.path('packed'), program, ...args), image, [program, format])
    })
  }

  const { mkimage } = architecture
  if (mkimage !== undefined) {
    kernelTest('a FIT image', async ({ image }) => {
      const packed = shop.compress(image, shop.path('kernel.lz4'), 'lz4')
      const source = shop.write('kernel.its', fitSource(packed, mkimage))
      shop.run('mkimage', '-E', '-f', source, shop.path('fit'))
      await comesOut(shop.path('fit'), image, ['FIT', format])
    })

    kernelTest('a uImage', async ({ image }) => {
      const packed = shop.compress(image, shop.path('kernel.gz'), 'gzip', '-1')
      const facts = ['-A', mkimage, '-O', 'linux', '-T', 'kernel', '-C', 'gzip', '-a', '0x80000']
      shop.run('mkimage', ...facts, '-d', packed, shop.path('uImage'))
      await comesOut(shop.path('uImage'), image, ['uImage', format])
    })
  }

  kernelTest('an Android boot image', async ({ image }) => {
    const packed = shop.compress(image, shop.path('kernel.lz4'), 'lz4', '-l')
    shop.mkbootimg('--header_version', '4', '--kernel', packed, '--cmdline', 'a=b', '-o', shop.path('boot.img'))
    await comesOut(shop.path('boot.img'), image, ['Android boot image', format])
  })
})

const fitSource = (kernel: string, architecture: string) => `/dts-v1/;
/ {
  description = "Debian";
  images { kernel-1 { data = /incbin/("${kernel}"); type = "kernel"; arch = "${architecture}"; os = "linux";
    compression = "lz4"; load = <0x80000>; entry = <0x80000>; hash-1 { algo = "sha256"; }; }; };
  configurations { default = "c"; c { kernel = "kernel-1"; }; };
};
`

describe('firmware that speaks EFI', () => {
  test.each([
    ['arm64', 'aa64', 'cloud-arm64'],
    ['riscv64', 'riscv64', 'riscv64'],
    ['loong64', 'loongarch64', 'loong64'],
  ])('a UKI for %s', async (name, efi, flavour) => {
    const { image, release } = await foreignKernel({ architecture: name, flavour, suite: 'testing', progress })
    const mirror = await DebianMirror.open({ progress, suites: ['testing'], architecture: name })
    const [stub] = await mirror.fetch(['systemd-boot-efi'], { dependencies: false })
    const path = await packageFile(stub?.directory ?? '', `lib/systemd/boot/efi/linux${efi}.efi.stub`)
    const parts = [`--linux=${image}`, `--uname=${release}`, '--cmdline=a=b', `--efi-arch=${efi}`]
    shop.ukify(path, ...parts, '--output', shop.path('uki.efi'))
    const { chain, sha256 } = await unpacked(shop.path('uki.efi'))
    expect(chain[0]).toBe('UKI')
    expect(sha256).toBe((await original(image)).sha256)
  })

  test('EFI zboot: what it holds is what its compressor takes out of the payload', async () => {
    const { image } = await foreignKernel({ architecture: 'loong64', flavour: 'loong64', suite: 'testing', progress })
    const bytes = readFileSync(image)
    // The header that drivers/firmware/efi/libstub/zboot-header.S writes.
    const [offset, length] = [bytes.readUInt32LE(8), bytes.readUInt32LE(12)]
    const program = /^[a-z0-9]+/.exec(bytes.toString('latin1', 0x18, 0x30))?.[0] as string
    writeFileSync(shop.path('payload'), bytes.subarray(offset, offset + length))
    const kernel = execFileSync(program, ['-d', '-c', shop.path('payload')], { maxBuffer: 1 << 30 })
    const { chain, sha256 } = await unpacked(image)
    expect(chain).toEqual(['EFI zboot', 'loongarch Image'])
    expect(sha256).toBe(hash(kernel))
  })
})

/** Unpacks what was packed: it is the original, or, of an original that is itself to be unpacked, what that unpacks to. */
async function comesOut(packed: string, image: string, chain: readonly string[]): Promise<void> {
  const result = await unpacked(packed)
  expect(result.chain.slice(0, chain.length)).toEqual(chain)
  expect(result.sha256).toBe((await original(image)).sha256)
}

/** What a kernel is, not packed further. */
async function original(image: string): Promise<Unpacked> {
  const known = originals.get(image) ?? (await unpacked(image))
  originals.set(image, known)
  if (known.chain.length === 1) expect(known.sha256).toBe(hash(readFileSync(image)))
  return known
}

const originals = new Map<string, Unpacked>()

interface Unpacked {
  readonly chain: readonly string[]
  readonly innermost: KernelImage
  readonly sha256: string
}

async function unpacked(path: string): Promise<Unpacked> {
  const fd = openSync(path, 'r')
  try {
    const kernel = await extractKernel(fileBytes(fd, fstatSync(fd).size), { fd })
    const bytes = fileBytes(kernel.fd, kernel.size).read(0, kernel.size)
    kernel.close()
    return { chain: kernel.chain.map(({ format }) => format), innermost: kernel.image, sha256: hash(bytes) }
  } finally {
    closeSync(fd)
  }
}

function hash(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
