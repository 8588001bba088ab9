import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type PlanOptions, plan } from '../../../src/index.ts'
import { writePlanFiles } from '../../../src/rehearsal/guest/plan-files.ts'
import { layMachine } from '../engine/layout/machines.ts'
import { makeTree, type Tree } from '../entries/tree.ts'
import { bookworm, configuration, lockdown, machine } from '../policy/machines.ts'
import { debian, kernelOf, makeMachine, newer } from './debian.ts'
import { cpuFlags, machineWith, withoutOption, withPayload } from './machines.ts'

const texts = (remarks: readonly { text: string }[]) => remarks.map(({ text }) => text).join()

async function planned(options: PlanOptions) {
  using made = await plan({ entry: newer, ...options })
  return { ...made.toJSON(), text: made.explain() }
}

const engineReason = ({ decisions }: { decisions: readonly { subject: string; reason: string }[] }) =>
  decisions.find(({ subject }) => subject === 'engine')?.reason

describe('auto', () => {
  test('is kexec_file_load where the kernel has it', async () => {
    const made = await planned({ root: machineWith() })
    expect(made).toMatchObject({ engine: 'file', segments: null, refusals: [] })
  })

  test('is kexec_load where it has not, and the plan says why and where everything will lie', async () => {
    const made = await planned({ root: machineWith(withoutOption('CONFIG_KEXEC_FILE')) })
    expect(made).toMatchObject({ engine: 'segments', refusals: [], verdict: { outcome: 'will-load' } })
    expect(engineReason(made)).toMatch(/^the running kernel has no kexec_file_load/)
    expect(made.segments?.map(({ name }) => name)).toEqual(['trampoline', 'boot parameters', 'initrd', 'kernel'])
    expect(made.text).toMatch(/^ +0x100000-0x100fff +4\.0 KiB {2}trampoline$/m)
    expect(made.text).toMatch(/^ +0x1000000-0x[0-9a-f]+ +\d+\.\d MiB {2}kernel$/m)
  })

  test('neither call: refused for that, and for nothing else', async () => {
    const text = configuration(bookworm).replaceAll(/^CONFIG_KEXEC(_FILE)?=y$/gm, '# CONFIG_KEXEC$1 is not set')
    const none: Tree = { [`/boot/config-${bookworm}`]: { text } }
    const made = await planned({ root: machineWith(none) })
    expect(made).toMatchObject({ engine: 'file', refusals: [{ reason: 'no-kexec-support' }] })
  })

  test('is kexec_load for a kernel that may trip over 5 levels of page tables, where no signature is looked at', async () => {
    const running = (release: string): Tree => ({
      '/proc/cpuinfo': { text: 'processor\t: 0\nflags\t\t: fpu la57 lm\n' },
      '/proc/sys/kernel/osrelease': { text: `${release}\n` },
      [`/boot/config-${release}`]: { text: configuration(bookworm) },
    })
    const leaving = { append: ['no5lvl'] }
    const made = await planned({ root: machineWith(running('6.12.1')), ...leaving })
    expect(made).toMatchObject({ engine: 'segments', refusals: [], warnings: [] })
    expect(engineReason(made)).toMatch(/^the new kernel may trip over the 5 levels of page tables/)
    expect((await planned({ root: machineWith(running('6.12.1')) })).engine).toBe('file')
    expect(await planned({ root: machineWith(running('6.1.0')), ...leaving })).toMatchObject({
      engine: 'file',
      warnings: [],
    })
    // Where a signature is required, or kexec_file_load is asked for, the warning is what is left.
    for (const [changes, options] of [
      [[running('6.12.1'), lockdown('integrity')], {}],
      [[running('6.12.1')], { engine: 'file' }],
    ] as const) {
      const left = await planned({ root: machineWith(...changes), ...leaving, ...options })
      expect(left.engine).toBe('file')
      expect(texts(left.warnings)).toContain("give engine: 'segments', which avoids this")
    }
  })

  test('a signature that is required is not got around', async () => {
    const made = await planned({ root: machineWith(lockdown('integrity')) })
    expect(made.engine).toBe('file')
    expect(made.verdict?.outcome).not.toBe('will-load')
  })
})

describe('--engine segments', () => {
  test('is taken at its word, and warns where signatures would be required', async () => {
    const forced = configuration(bookworm).replace('# CONFIG_KEXEC_SIG_FORCE is not set', 'CONFIG_KEXEC_SIG_FORCE=y')
    const root = machineWith({ [`/boot/config-${bookworm}`]: { text: forced } })
    const made = await planned({ root, engine: 'segments' })
    expect(made).toMatchObject({ engine: 'segments', refusals: [], verdict: { outcome: 'will-load' } })
    expect(texts(made.warnings)).toContain('kexec_load checks none')
  })

  test('is refused beforehand under lockdown, and where the kernel lacks kexec_load', async () => {
    const locked = await planned({ root: machineWith(lockdown('integrity')), engine: 'segments' })
    expect(locked.refusals).toMatchObject([{ reason: 'lockdown', code: 'EPERM', refused: true }])
    const lacking = await planned({ root: machineWith(withoutOption('CONFIG_KEXEC')), engine: 'segments' })
    expect(lacking.refusals).toMatchObject([{ reason: 'no-kexec-support', code: 'ENOSYS' }])
  })

  test('without privilege: the plan is made, and says what it could not look at', async () => {
    const root = machineWith()
    const zeros: Tree = { '/proc/iomem': { text: '00000000-00000000 : System RAM\n' } }
    const hidden = makeMachine({ ...debian, ...machine(bookworm), ...zeros })
    expect(texts((await planned({ root, engine: 'segments' })).unchecked)).not.toContain('segments')
    const made = await planned({ root: hidden, engine: 'segments' })
    expect(made).toMatchObject({ engine: 'segments', segments: null, refusals: [] })
    expect(texts(made.unchecked)).toContain('where the segments would lie: the memory map shows zeros')
  })

  test('an initrd that fits nowhere is refused', async () => {
    const root = machineWith()
    const initrd = Buffer.alloc(1024 ** 3)
    initrd.write('070701')
    const made = await planned({ root, engine: 'segments', initrds: [initrd] })
    expect(made.refusals.map(({ reason }) => reason)).toContain('no-memory-hole')
  })

  test('what it cannot load yet is refused, not dropped', async () => {
    const arm64: Tree = { '/proc/sys/kernel/arch': { text: 'aarch64\n' } }
    const foreign = await planned({ root: machineWith(arm64), engine: 'segments' })
    expect(foreign.refusals.map(({ reason }) => reason)).toEqual(['wrong-architecture', 'invalid-argument'])
  })

  test('a kernel that contradicts itself is refused', async () => {
    const bytes = kernelOf(newer)
    bytes.writeUInt32LE(3, 0x230)
    const root = machineWith({ '/boot/odd': { file: bytes } })
    const made = await planned({ root, engine: 'segments' })
    expect(made.refusals).toEqual([])
    using odd = await plan({ root, kernel: '/boot/odd', commandLine: 'ro', engine: 'segments' })
    expect(odd.refusals.map(({ reason }) => reason)).toContain('damaged-image')
  })
})

describe('a vmlinux, which kexec_file_load does not take', () => {
  /** Debian's, as far as its version line. */
  const head = readFileSync(join(import.meta.dirname, '../../fixtures/kernels/vmlinux-7.2.12+deb13-cloud-amd64.head'))
  const vmlinux = Buffer.alloc(62_077_252)
  head.copy(vmlinux)
  vmlinux.write('Linux version 7.2.12+deb13-cloud-amd64 (debian-kernel@lists.debian.org) #1 SMP\n', 0x200000)
  const kernel: Tree = { '/boot/vmlinux': { file: vmlinux } }
  const given: PlanOptions = { kernel: '/boot/vmlinux', commandLine: 'root=/dev/vda1' }
  const planned = async (options: PlanOptions) => {
    using made = await plan({ ...given, ...options })
    return { ...made.toJSON(), text: made.explain() }
  }

  test('goes through kexec_load by itself where nothing would look at a signature', async () => {
    const made = await planned({ root: machineWith(kernel) })
    expect(made).toMatchObject({ engine: 'segments', refusals: [], verdict: { outcome: 'will-load' } })
    expect(engineReason(made)).toMatch(/^kexec_file_load takes no vmlinux/)
    expect(made.text).toMatch(/^ +0x1000000-0x2f17fff +31\.1 MiB {2}kernel$/m)
    expect(made.text).toMatch(/^ +0x3000000-0x47fffff +24\.0 MiB {2}kernel$/m)
  })

  test('also where it is compressed, and its version line beyond what is unpacked to know what it is', async () => {
    const root = machineWith({ '/boot/vmlinux.gz': { file: gzipSync(vmlinux, { level: 1 }) } })
    const made = await planned({ root, kernel: '/boot/vmlinux.gz' })
    expect(made).toMatchObject({ engine: 'segments', segments: null, refusals: [] })
    expect(made.text).toContain('7.2.12+deb13-cloud-amd64, vmlinux for x86_64 in gzip')
    expect(engineReason(made)).toMatch(/^kexec_file_load takes no vmlinux/)
  })

  test('is no way around a signature, nor around lockdown: refused, and told why', async () => {
    const forced = configuration(bookworm).replace('# CONFIG_KEXEC_SIG_FORCE is not set', 'CONFIG_KEXEC_SIG_FORCE=y')
    const signed: Tree = { [`/boot/config-${bookworm}`]: { text: forced } }
    for (const [change, why] of [
      [signed, 'requires signatures'],
      [lockdown('integrity'), 'locked down'],
    ] as const) {
      const made = await planned({ root: machineWith(kernel, change) })
      expect(made.engine).toBe('file')
      expect(made.refusals[0]).toMatchObject({ reason: 'not-a-kernel', summary: expect.stringContaining(why) })
    }
  })

  test('with --engine file it is refused for what it is', async () => {
    const made = await planned({ root: machineWith(kernel), engine: 'file' })
    expect(made.refusals[0]).toMatchObject({ reason: 'not-a-kernel', code: 'ENOEXEC' })
    expect(made.engine).toBe('file')
  })

  test('where it is refused, the image that the same build made is named', async () => {
    const built = '/src/linux/arch/x86/boot/bzImage'
    const build: Tree = { '/src/linux/vmlinux': { file: vmlinux }, [built]: { text: '' } }
    const [refusal] = (await planned({ root: machineWith(build), kernel: '/src/linux/vmlinux', engine: 'file' }))
      .refusals
    expect(refusal?.['hint']).toBe(`Give the image that the same build made: ${built}.`)
    const arm: Tree = {
      '/src/linux/vmlinux': { file: asArm64(vmlinux) },
      '/src/linux/arch/arm64/boot/Image': { text: '' },
      '/proc/sys/kernel/arch': { text: 'aarch64\n' },
    }
    const [other] = (await planned({ root: machineWith(arm), kernel: '/src/linux/vmlinux' })).refusals
    expect(other).toMatchObject({
      reason: 'not-a-kernel',
      summary: expect.stringContaining('kexec_file_load takes only an Image on arm64'),
      hint: 'Give the image that the same build made: /src/linux/arch/arm64/boot/Image.',
    })
  })

  test('symbols and debug information behind its parts neither matter nor are carried into a rehearsal', async () => {
    const root = machineWith(kernel)
    truncateSync(join(root, 'boot/vmlinux'), 600_000_000)
    using made = await plan({ ...given, root, noInitrd: true })
    expect(made.refusals).toEqual([])
    const directory = makeTree({})
    const files = await writePlanFiles(made, directory, undefined)
    expect(files.kernel.size).toBe(made.image.minimumSize)
    expect(readFileSync(files.kernel.path).equals(vmlinux.subarray(0, files.kernel.size))).toBe(true)
    using carried = await plan({
      ...given,
      root: machineWith({ '/boot/vmlinux': { file: readFileSync(files.kernel.path) } }),
    })
    expect(carried.refusals).toEqual([])
    expect(carried.segments).toEqual(made.segments)
  })

  test('starts on the page tables of the running kernel: that it knows 5 levels cannot be told', async () => {
    const cpu: Tree = { '/proc/cpuinfo': { text: 'processor\t: 0\nflags\t\t: fpu la57 lm\n' } }
    const made = await planned({ root: machineWith(kernel, cpu) })
    expect(texts(made.unchecked)).toContain('CONFIG_X86_5LEVEL')
    expect(texts((await planned({ root: machineWith(kernel) })).unchecked)).not.toContain('CONFIG_X86_5LEVEL')
  })

  test('cut off: told once', async () => {
    const root = machineWith({ '/boot/vmlinux': { file: vmlinux.subarray(0, 50_000_000) } })
    const made = await planned({ root })
    expect(made.refusals.map(({ reason }) => reason)).toEqual(['truncated-kernel'])
  })

  test('its command line is cut off by the new kernel: refused', async () => {
    const made = await planned({ root: machineWith(kernel), commandLine: 'x'.repeat(2017) })
    expect(made.refusals.map(({ reason }) => reason)).toEqual(['cmdline-too-long'])
  })
})

/** e_machine of an ELF header. */
function asArm64(vmlinux: Buffer): Buffer {
  const bytes = Buffer.from(vmlinux)
  bytes.writeUInt16LE(183, 18)
  return bytes
}

describe('--verify-in-purgatory', () => {
  const purgatory = ({ decisions }: { decisions: readonly { subject: string; choice: string; reason: string }[] }) =>
    decisions.filter(({ subject }) => subject === 'purgatory')

  test('hashes with kexec_load, too, and the map has room for what does it', async () => {
    const root = machineWith()
    const sizeOf = async (verifyInPurgatory: boolean) => {
      const made = await planned({ root, engine: 'segments', verifyInPurgatory })
      expect(made.refusals).toEqual([])
      expect(purgatory(made)).toHaveLength(verifyInPurgatory ? 1 : 0)
      return made.segments?.find(({ name }) => name === 'trampoline')?.size
    }
    expect(await sizeOf(false)).toBe(4096)
    expect(await sizeOf(true)).toBe(8192)
  })

  test('with kexec_file_load it says that this is so anyway; with --fast what it costs is not hidden', async () => {
    expect(purgatory(await planned({ root: machineWith(), verifyInPurgatory: true }))).toMatchObject([
      { choice: expect.stringContaining('hashed'), reason: expect.stringContaining('always') },
    ])
    const fast = await planned({ root: machineWith(), fast: true, verifyInPurgatory: true })
    expect(fast.engine).toBe('segments')
    expect(fast.decisions.map(({ choice }) => choice)).toContain(
      'kernel and initrd are hashed before the new kernel starts',
    )
    expect(fast.decisions.map(({ choice }) => choice)).not.toContain('nothing is hashed before the new kernel starts')
  })
})

describe('--fast', () => {
  /** What the plan says of the kernel, and why. */
  async function kernelMeasure(options: PlanOptions, ...changes: Tree[]): Promise<string> {
    const root = withPayload(machineWith(...changes), newer)
    const { decisions } = await planned({ root, fast: true, ...options })
    const found = decisions.find(({ subject, choice }) => subject === 'fast' && /^the kernel is /.test(choice))
    return `${found?.choice}: ${found?.reason}`
  }

  test('the kernel is unpacked in advance, at a random address unless that is turned off', async () => {
    expect(await kernelMeasure({})).toMatch(/^the kernel is unpacked in advance: .* of lz4; a random address \(KASLR\)/)
    expect(await kernelMeasure({ append: ['nokaslr'] })).toContain('because of `nokaslr` on its command line')
  })

  test.each([
    ['kexec_file_load takes it only compressed', { engine: 'file' }, ''],
    ['la57', { append: ['no5lvl'] }, 'la57'],
    ['mem_encrypt=on', { append: ['mem_encrypt=on'] }, ''],
    ['confidential', {}, 'tdx_guest'],
    ['confidential', {}, 'hypervisor sev_snp'],
  ] as const)('it is left compressed where its decompressor has more to do: %s', async (reason, options, names) => {
    expect(await kernelMeasure(options as PlanOptions, cpuFlags(names))).toMatch(
      new RegExp(`^the kernel is left compressed: .*${reason}`),
    )
  })

  /** Whether the plan tells that the new kernel does not test its cryptography, and what its command line is. */
  async function cryptoTests(
    options: PlanOptions,
    ...changes: Tree[]
  ): Promise<{ told: boolean; commandLine: string }> {
    const { decisions, commandLine } = await planned({ root: machineWith(...changes), fast: true, ...options })
    const told = decisions.some(({ subject, reason }) => subject === 'fast' && reason.startsWith('cryptomgr.notests'))
    return { told, commandLine }
  }

  test('the new kernel is spared the tests of its cryptography, before the words that are for init', async () => {
    const { told, commandLine } = await cryptoTests({ commandLine: 'root=/dev/vda1 -- single' })
    expect({ told, commandLine }).toEqual({
      told: true,
      commandLine: 'root=/dev/vda1 cryptomgr.notests linux_kexec.added=cryptomgr.notests -- single',
    })
  })

  test.each([
    ['who has a say in it already', { append: ['cryptomgr.panic_on_fail=1'] }, {}],
    ['who takes it off', { remove: ['cryptomgr.notests'] }, {}],
    ['by the rules of FIPS', { append: ['fips=1'] }, {}],
    ['by those of the running kernel', {}, { '/proc/sys/crypto/fips_enabled': { text: '1\n' } }],
    ['where the line would get too long', { append: ['x'.repeat(2020)] }, {}],
  ] as const)('the tests are left in: %s', async (_, options, tree) => {
    const { told, commandLine } = await cryptoTests(options as PlanOptions, tree)
    expect(told).toBe(false)
    expect(commandLine).not.toContain('notests')
  })

  test('the next load takes it off: with --fast it is there once again, and without it nothing of it is left', async () => {
    const running = 'root=/dev/vda1 cryptomgr.notests linux_kexec.added=cryptomgr.notests ro'
    const machine = { '/proc/cmdline': { text: `${running}\n` } } as const
    const again = await cryptoTests({ reuseCommandLine: true }, machine)
    expect(again.commandLine).toBe('root=/dev/vda1 ro cryptomgr.notests linux_kexec.added=cryptomgr.notests')
    const plain = await planned({ root: machineWith(machine), entry: 'newest' })
    expect(plain.commandLine).toBe('root=/dev/vda1 ro')
    const own = await planned({ root: machineWith({ '/proc/cmdline': { text: 'ro cryptomgr.notests\n' } }) })
    expect(own.commandLine, 'what the administrator put there stays').toBe('ro cryptomgr.notests')
  })

  test('an entry that was made from such a command line does without it, too', async () => {
    const options = 'root=/dev/vda1 cryptomgr.notests linux_kexec.added=cryptomgr.notests'
    const conf = `title A\nlinux /vmlinuz-${newer}\noptions ${options}\n`
    const root = machineWith({ '/boot/loader/entries/a.conf': { text: conf } })
    expect((await planned({ root, entry: 'a.conf' })).commandLine).toBe('root=/dev/vda1')
  })

  test('taking it off is no mistake, without --fast it is', async () => {
    const options = { root: machineWith(), remove: ['cryptomgr.notests'] }
    expect((await planned({ ...options, fast: true })).warnings).toEqual([])
    expect((await planned(options)).warnings).toMatchObject([{ code: 'no-such-parameter' }])
  })

  test('for a crash kernel nothing is done in advance', async () => {
    const { decisions, commandLine, engine } = await planned({ root: machineWith(), fast: true, panic: true })
    expect(engine).toBe('file')
    expect(commandLine).not.toContain('notests')
    const measures = decisions.filter(({ subject }) => subject === 'fast').map(({ choice }) => choice)
    expect(measures).toEqual(['nothing is done in advance'])
  })

  test('5 levels of page tables that stay, and a host that could encrypt, are no reason', async () => {
    for (const names of ['la57', 'sme sev sev_es']) {
      expect(await kernelMeasure({}, cpuFlags(names))).toContain('unpacked in advance')
    }
  })
})

describe('crash kernels', () => {
  const reserved: Tree = { '/sys/kernel/kexec_crash_size': { text: `${256 * 1024 ** 2}\n` } }
  const crashMachine = (...changes: Tree[]) => {
    const root = machineWith(reserved, ...changes)
    layMachine(root, 'crash-6.12')
    writeFileSync(join(root, 'proc/sys/kernel/osrelease'), `${bookworm}\n`)
    return root
  }
  const names = ({ segments }: { segments: readonly { name: string }[] | null }) => segments?.map(({ name }) => name)

  test('go through kexec_load where there is nothing else, or where it is asked for', async () => {
    const lacking = await planned({ root: crashMachine(withoutOption('CONFIG_KEXEC_FILE')), panic: true })
    expect(lacking).toMatchObject({ engine: 'segments', refusals: [] })
    expect(names(lacking)).toContain('ELF core header')
    const asked = await planned({ root: crashMachine(), panic: true, engine: 'segments' })
    expect(asked).toMatchObject({ engine: 'segments', refusals: [] })
    expect(await planned({ root: crashMachine(), panic: true })).toMatchObject({ engine: 'file', refusals: [] })
  })

  test('have nowhere to lie where nothing is set aside: told once', async () => {
    const made = await planned({ root: machineWith(), panic: true, engine: 'segments' })
    expect(made.refusals.map(({ reason }) => reason)).toEqual(['no-crash-memory'])
  })
})
