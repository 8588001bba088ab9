import { execFileSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { inspect } from '../../src/image/inspect/inspection.ts'
import { type Kernel, ProvisionError } from '../../src/vm/index.ts'
import { foreignKernel, newestOfSeries } from '../../src/vm/provision/kernels.ts'
import { untestedKernel } from '../untested.ts'

// Whole kernels as Debian ships them, signed and not, of every architecture that has kexec_file_load: nothing is booted. What
// we tell of them must be what file(1) and sbverify tell.

const progress = (message: string) => console.error(`  ${message}`)
const run = (program: string, ...args: string[]) => execFileSync(program, args, { stdio: 'pipe' }).toString()

describe.each(['5.10', '6.1', '6.12', '6.17', '7.2', '7.3'])('%s for x86_64', (series) => {
  let kernel: Kernel | undefined
  beforeAll(async () => {
    const old = ['bullseye', 'bullseye-security', 'bookworm', 'bookworm-security', 'bookworm-backports']
    const suites = [...old, 'trixie', 'trixie-security', 'trixie-backports', 'testing', 'unstable', 'experimental']
    kernel = (await newestOfSeries([series], { suites, progress })).get(series)
    if (!kernel) untestedKernel(series)
  })
  const kernelTest = (title: string, body: (image: string) => Promise<void>) =>
    test(title, ({ skip }) => (kernel ? body(kernel.image) : skip('the mirror has no such kernel')))

  kernelTest('agrees with file and sbverify', async (image) => {
    const told = await inspect(image, { machine: 'x86_64' })
    expect(told).toMatchObject({
      verdict: 'loadable',
      damage: [],
      problems: [],
      format: 'bzImage',
      version: kernel?.release,
    })
    const description = run('file', '-bL', image)
    expect(description).toContain('Linux kernel x86 boot executable bzImage')
    expect(description).toContain(`version ${told.versionString},`)
    const listed = run('sbverify', '--list', image)
    const [signature] = told.signatures.signatures
    expect(listed).toContain(`issuer:  /${signature?.signer?.issuer}`)
    expect(listed).toContain(`subject: /${signature?.signer?.subject}`)
    expect(signature).toMatchObject({ digestMatches: true, signatureValid: true })
    // The build had its own checksum until 6.14, and who signs does not mend it.
    expect(told.checks.map(({ by, passed }) => [by, passed])).toEqual(
      Number.parseFloat(series) < 6.15 && !series.startsWith('7') ? [['crc32', true]] : [],
    )
  })

  kernelTest('a flipped byte is told, wherever it is', async (image) => {
    const bytes = readFileSync(image)
    for (let times = 0; times < 6; times++) {
      const at = randomInt(bytes.length)
      const flipped = Buffer.from(bytes)
      flipped[at] = (flipped[at] as number) ^ (1 << randomInt(8))
      const { verdict, format } = await inspect(flipped, { machine: 'x86_64' })
      expect(verdict, `byte ${at} of ${bytes.length}, told ${format}`).not.toBe('loadable')
    }
  })
})

test.for([
  ['arm64', 'cloud-arm64', 'arm64 Image', /ARM64 boot executable Image, little-endian, 4K pages/],
  ['armhf', 'armmp', 'ARM zImage', /ARM boot executable zImage \(little-endian\)/],
  ['riscv64', 'riscv64', 'riscv Image', /RISC-V 64-bit/],
  ['s390x', 's390x', 's390 Image', /Linux S390/],
  ['ppc64el', 'powerpc64le', 'vmlinux', /ELF 64-bit LSB .*64-bit PowerPC/],
  ['loong64', 'loong64', 'EFI zboot', /PE32\+ executable \(EFI application\)/],
] as const)('%s agrees with file', async ([architecture, flavour, format, says], { skip }) => {
  const wanted = foreignKernel({ architecture, flavour, suite: 'testing', progress })
  const kernel = await wanted.catch((error: unknown) => {
    if (!(error instanceof ProvisionError)) throw error
    return undefined
  })
  if (kernel === undefined) return skip(`the Debian mirror has no kernel for ${architecture}`)
  const told = await inspect(kernel.image, { machine: 'none' })
  expect(run('file', '-bL', kernel.image)).toMatch(says)
  expect(told).toMatchObject({ format, damage: [], verdict: 'wrong-architecture' })
  if (format === 'ARM zImage') return
  expect(told.kernel.version).toBe(kernel.release)
  // Debian's build lines end in the version of the package.
  expect(told.kernel.versionString).toMatch(/ #1 SMP .*Debian \d\S+ \(\d{4}-\d\d-\d\d\)$/)
})
