import { afterEach, describe, expect, test } from 'vitest'
import { type Guest, startVm, type Vm, type VmOptions } from '../../src/vm/index.ts'
import { debianGuest, json } from './guests.ts'
import { atVirtual, crashOverlay, readCore, unameOf } from './vmcore.ts'

const MIB = 1024 ** 2
const MEMORY = 1280
const RESERVED = 256

/** A crash kernel names itself within seconds of the panic; on a busy machine it may take longer. */
const PANIC_GRACE = 90_000

let vm: Vm
afterEach(() => vm?.stop())

/** A machine that has memory reserved for a crash kernel. */
async function reservedMachine(guest: Guest, index: number, more: Partial<VmOptions> = {}): Promise<string> {
  const kernel = guest.kernels[index] as Guest['kernels'][number]
  vm = await startVm({
    guest,
    kernel,
    memory: MEMORY,
    append: `crashkernel=${RESERVED}M`,
    panicGrace: PANIC_GRACE,
    ...more,
  })
  await vm.booted()
  return kernel.release
}

const load = (release: string, more = '') => `linux-kexec load ${release} --panic --overlay /root/over:/ ${more}`
const isLoaded = async () => (await json(vm, 'linux-kexec status')).document.crashLoaded

/** Panics, and waits for the crash kernel. @returns its boot, the /proc/cmdline of which is what was planned */
async function crash(release: string, options = '') {
  await vm.run('hostname the-one-that-crashed')
  const { document, stderr } = await json(vm, load(release, `--append marker=1 ${options}`))
  expect(document?.loaded, stderr).toBe(true)
  const planned: string = document.plan.commandLine
  expect(planned).toContain('nr_cpus=1 irqpoll reset_devices')
  expect(planned).not.toContain('crashkernel')
  await vm.spawn('echo c > /proc/sysrq-trigger')
  const boot = await vm.booted()
  // What kexec_file_load adds by itself on x86, and we with kexec_load: the memory it may use is told in the e820 table, not in memmap=.
  const [added, ...rest] = boot.commandLine.split(' ')
  expect(added).toMatch(/^elfcorehdr=0x[0-9a-f]+$/)
  expect(rest.join(' ')).toBe(planned)
  expect(boot.release).toBe(release)
  expect(boot.memTotal).toBeLessThan(RESERVED * MIB)
}

/** Reads the dump where the crash kernel shows it. */
async function examineCore(release: string) {
  const core = await readCore(vm)
  const CORE_FILE = 4
  const X86_64 = 62
  expect([core.type, core.machine]).toEqual([CORE_FILE, X86_64])
  expect(core.facts.get('OSRELEASE')).toBe(release)
  expect(core.facts.get('CRASHTIME')).toMatch(/^\d{10}$/)
  const [system, node, running] = await unameOf(vm, core)
  expect([system, node, running]).toEqual(['Linux', 'the-one-that-crashed', release])
  // All of the memory but what was reserved.
  const size = Number((await vm.run('stat -c %s /proc/vmcore')).stdout)
  expect(size).toBeGreaterThan((MEMORY - RESERVED) * 0.95 * MIB)
  expect(size).toBeLessThan(MEMORY * MIB)
}

describe('on the older kernel', () => {
  test('shrinking, refusals and a load that fails; then a panic starts the crash kernel, which has the memory', async () => {
    const release = await reservedMachine(await debianGuest(), 0)
    await vm.run(crashOverlay)
    expect((await vm.run('linux-kexec crash-size')).stdout).toMatch(/^reserved +256\.0 MiB$/m)

    // An initrd of 300 MiB, a hole: it would not fit once it is unpacked.
    await vm.run('truncate -s 300M /root/hole')
    const large = await json(vm, load(release, '--overlay /root/hole'))
    expect([large.status, large.document.error.reason]).toEqual([3, 'no-crash-memory'])
    expect(await isLoaded()).toBe(false)

    expect(await vm.run(load(release))).toMatchObject({ status: 0 })
    expect(await isLoaded()).toBe(true)
    const refused = await json(vm, 'linux-kexec crash-size 192M')
    expect([refused.status, refused.document.error.reason]).toEqual([3, 'busy'])

    // The kernel frees the old crash kernel before it opens the file of the new one.
    const failed = await vm.run(`cp /boot/vmlinuz-${release} /root/kernel; exec 9>>/root/kernel
      linux-kexec load /root/kernel --panic --reuse-cmdline --json`)
    const { error, plan } = JSON.parse(failed.stdout)
    expect([failed.status, error.reason, plan]).toEqual([1, 'file-busy', undefined])
    expect(error.summary).toContain('the crash kernel that was loaded before is gone')
    expect(await isLoaded()).toBe(false)

    const free = async () => Number((await vm.run("sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo")).stdout)
    const before = await free()
    expect((await vm.run('linux-kexec crash-size 192M --dry-run')).stderr).toContain('64.0 MiB will be given back')
    const shrunk = await json(vm, 'linux-kexec crash-size 192M')
    expect(shrunk.document).toMatchObject({ before: 256 * MIB, after: 192 * MIB })
    expect((await json(vm, 'linux-kexec status')).document.crashSize).toBe(192 * MIB)
    expect(await free()).toBe(before + 64 * 1024)
    const grown = await json(vm, 'linux-kexec crash-size 256M')
    expect([grown.status, grown.document.error.reason]).toEqual([3, 'invalid-argument'])

    await crash(release)
    await examineCore(release)
  })
})

test('on the newer kernel, with one that replaces another', async () => {
  const guest = await debianGuest()
  const release = await reservedMachine(guest, 1)
  await vm.run(crashOverlay)
  expect(await vm.run(load(guest.kernels[0]?.release as string))).toMatchObject({ status: 0 })
  expect(await json(vm, 'linux-kexec unload --panic')).toMatchObject({ document: { unloaded: true } })
  expect(await isLoaded()).toBe(false)
  await crash(release)
  await examineCore(release)
})

test('through kexec_load: laid out in what is reserved, and it has the memory of the one that crashed', async () => {
  // At a random address, which machines have and guests here do not by themselves.
  const commandLine = 'console=ttyS0 panic=-1 loglevel=6 no_timer_check'
  const release = await reservedMachine(await debianGuest(), 1, { commandLine, cpus: 2 })
  await vm.run(crashOverlay)
  const planned = await json(vm, `linux-kexec plan ${release} --panic --engine segments`)
  const { segments, refusals, unchecked } = planned.document
  expect([refusals, unchecked]).toEqual([[], []])
  const iomem = await vm.run("sed -n 's/^ *\\(.*\\)-\\(.*\\) : Crash kernel$/\\1 \\2/p' /proc/iomem")
  const [start, last] = iomem.stdout
    .trim()
    .split(' ')
    .map((each) => Number.parseInt(each, 16)) as [number, number]
  expect(segments.map(({ name }: { name: string }) => name).sort()).toEqual(
    ['ELF core header', 'boot parameters', 'initrd', 'kernel', 'trampoline'].sort(),
  )
  for (const { address, size } of segments) expect([address >= start, address + size <= last + 1]).toEqual([true, true])
  expect(await vm.run(load(release, '--engine segments'))).toMatchObject({ status: 0 })
  expect(await isLoaded()).toBe(true)
  // Where the kernel can, it writes the list of CPUs and memory anew by itself, as for one that it laid out.
  const follows = await vm.run('cat /sys/devices/system/cpu/crash_hotplug || echo 1')
  expect(follows.stdout.trim()).toBe('1')
  expect(await json(vm, 'linux-kexec unload --panic')).toMatchObject({ document: { unloaded: true } })
  expect(await isLoaded()).toBe(false)
  const symbol = await vm.run("sed -n 's/ . page_offset_base$//p' /proc/kallsyms")
  await crash(release, '--engine segments --verify-in-purgatory')
  await examineCore(release)
  // What debuggers go by: where the kernel itself and where all memory was mapped, both random.
  const core = await readCore(vm)
  const stored = await atVirtual(vm, core, BigInt(`0x${symbol.stdout.trim()}`), 8)
  const memory = core.segments.filter(({ virtual }) => virtual < 0xffffffff80000000n)
  expect(memory.length).toBeGreaterThan(0)
  for (const { virtual, address } of memory) expect(virtual - address).toBe(stored.readBigUInt64LE())
})
