import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Evidence, PlanDecision } from '../../src/index.ts'
import { type Boot, type Guest, startVm, type Vm, type VmOptions } from '../../src/vm/index.ts'
import { makeOverlay } from './checksum-init.ts'
import { BOOT, coldMemory, guestOfSeries, json, kexecsInARow } from './guests.ts'
import { atVirtual, crashOverlay, readCore } from './vmcore.ts'

/** Of a cold boot's, how much the new kernel's memory may differ. */
const TOLERANCE = 0.01

/** What the running kernel was told, as dtc shows it, without what each boot has of its own. */
const tree = 'dtc -q -s -I dtb -O dts /sys/firmware/fdt | grep -v -e rng-seed -e kaslr-seed -e initrd- -e booted-from'

let guest: Guest
let older: string
let newer: string
let newest: string

beforeAll(async () => {
  // kexec-tools is what the device tree is compared with, by dtc.
  guest = await guestOfSeries({
    architecture: 'arm64',
    packages: ['kexec-tools', 'device-tree-compiler'],
    modules: ['efivarfs'],
  })
  const releases = guest.kernels.map(({ release }) => release)
  ;[older, newer] = releases as [string, string]
  newest = releases.at(-1) as string
})

/** One machine for the tests of a group. */
function machineFor(options: () => Partial<VmOptions>) {
  const machine = {} as { vm: Vm; cold: Boot }
  beforeAll(async () => {
    const vm = await startVm({ guest, ...options() })
    Object.assign(machine, { vm, cold: await vm.booted(BOOT) })
  })
  afterAll(() => machine.vm?.stop())
  return machine
}

/** Loads, jumps, and returns what came up. */
async function kexec(vm: Vm, target: string, options = '') {
  const load = await json(vm, `linux-kexec load ${target} ${options}`)
  expect(load, load.stderr).toMatchObject({ status: 0, document: { plan: { engine: 'segments' } } })
  await vm.spawn('linux-kexec exec')
  const { commandLine, decisions } = load.document.plan
  return {
    boot: await vm.booted(BOOT),
    planned: commandLine,
    choices: decisions.map(({ choice }: PlanDecision) => choice),
  }
}

function expectAllMemory(boot: Boot, cold: Pick<Boot, 'memTotal'>): void {
  expect(Math.abs(boot.memTotal / cold.memTotal - 1)).toBeLessThan(TOLERANCE)
}

describe('a device tree, 1 GiB, two processors', () => {
  const machine = machineFor(() => ({ cpus: 2 }))

  test('a kernel is unloaded by kexec_load, the only call that this kernel has', async () => {
    const held = async () => (await machine.vm.run('cat /sys/kernel/kexec_loaded')).stdout
    expect(await machine.vm.run(`linux-kexec load ${newest}`)).toMatchObject({ status: 0 })
    expect(await held()).toBe('1\n')
    expect(await json(machine.vm, 'linux-kexec unload')).toMatchObject({ status: 0, document: { unloaded: true } })
    expect(await held()).toBe('0\n')
  })

  test('the initrd arrives as it was', async () => {
    const sum = await makeOverlay(machine.vm, '/root/overlay', 30_000_000)
    const { boot } = await kexec(machine.vm, newest, '--overlay /root/overlay:/')
    expect(boot.release).toBe(newest)
    expect((await machine.vm.run('dmesg | grep payload')).stdout).toContain(`payload ${sum}`)
  })

  test('with --fast it arrives as it was, in memory that was free', async () => {
    const sum = await makeOverlay(machine.vm, '/root/overlay', 30_000_000)
    const { boot, planned, choices } = await kexec(machine.vm, older, '--fast --overlay /root/overlay:/')
    expect(choices).toContain('kernel and initrd are placed in memory that is free now')
    expect(boot).toMatchObject({ release: older, commandLine: planned })
    expect((await machine.vm.run('dmesg | grep payload')).stdout).toContain(`payload ${sum}`)
    expectAllMemory(boot, machine.cold)
  })

  test('kexecs in a row, each release into each other: it has its command line, all memory, both processors and the machine’s tree', async () => {
    // The load before was one with --fast: what it added is not to come through a plain one.
    const before = (await machine.vm.run(tree)).stdout.replace(
      ' cryptomgr.notests linux_kexec.added=cryptomgr.notests',
      '',
    )
    const cold = await coldMemory(guest, { cpus: 2 })
    for (const [index, target] of kexecsInARow(guest).entries()) {
      const { boot, planned } = await kexec(machine.vm, target, `--append round=${index} --remove round`)
      expect(boot).toMatchObject({ release: target, commandLine: planned })
      expect(planned).toMatch(new RegExp(` round=${index}$`))
      expectAllMemory(boot, { memTotal: cold.get(target) as number })
      expect((await machine.vm.run('nproc')).stdout).toBe('2\n')
      const after = (await machine.vm.run(tree)).stdout
      expect(after.replace(` round=${index}`, '')).toBe(before)
    }
  })

  test('a device tree of a file is what the new kernel gets, with the memory of this machine', async () => {
    await machine.vm.run(`
      dtc -q -I dtb -O dts /sys/firmware/fdt | sed -e 's/model = .*/model = "of a file";/' -e '/memory@/,/};/d' \
        -e '/memreserve/d' | dtc -q -I dts -O dtb -o /root/other.dtb`)
    const { boot } = await kexec(machine.vm, older, '--dtb /root/other.dtb')
    expectAllMemory(boot, machine.cold)
    expect((await machine.vm.run('cat /sys/firmware/devicetree/base/model')).stdout).toBe('of a file\0')
  })
})

// kexec-tools takes the tree only of a kernel that has wiped the seed in it, and puts the kernel over the tables of an ITS.
describe('without an ITS, and with a kernel that moves itself', () => {
  const machine = machineFor(() => ({ qemuArguments: ['-machine', 'its=off'] }))

  test('the new kernel gets the tree that kexec-tools would give it', async () => {
    await kexec(machine.vm, older, '--remove nokaslr')
    const ours = (await machine.vm.run(tree)).stdout
    const load = await machine.vm.run(
      `kexec -c -l /boot/vmlinuz-${older} --initrd=/boot/initrd.img-${older} --reuse-cmdline && cat /sys/kernel/kexec_loaded`,
    )
    expect(load).toMatchObject({ status: 0, stdout: '1\n' })
    await machine.vm.spawn('linux-kexec exec')
    expect((await machine.vm.booted(BOOT)).release).toBe(older)
    expect((await machine.vm.run(tree)).stdout).toBe(ours)
  })
})

describe.each([
  ['ACPI', [], 'ACPI20='],
  ['a device tree', ['-machine', 'acpi=off'], 'linux,dummy-virt'],
])('UEFI and %s, 8 GiB', (_, qemuArguments, mark) => {
  const machine = machineFor(() => ({ bootLoader: 'uefi', memory: 8192, qemuArguments }))
  const firmware = 'cd /sys/firmware; cat efi/systab devicetree/base/compatible; ls efi acpi/tables 2>/dev/null; true'

  test('after two kexecs the kernel still has its firmware: tables, runtime services, variables', async () => {
    const before = await machine.vm.run(firmware)
    expect(before.stdout).toContain(mark)
    for (const target of [newer, older]) {
      const { boot } = await kexec(machine.vm, target)
      expect(boot.release).toBe(target)
      expectAllMemory(boot, machine.cold)
      expect((await machine.vm.run(firmware)).stdout).toBe(before.stdout)
      const variables = await machine.vm.run('ls /sys/firmware/efi/efivars | grep -c .')
      expect(Number(variables.stdout)).toBeGreaterThan(5)
    }
  })
})

describe('memory reserved for a crash kernel', () => {
  const machine = machineFor(() => ({ memory: 1280, append: 'crashkernel=256M', panicGrace: 200_000 }))

  test('a crash kernel lies in it, uses nothing else, and has the memory of the one that crashed', async () => {
    const { vm, cold } = machine
    await vm.run(`${crashOverlay}; hostname the-one-that-crashed`)
    const load = await json(vm, `linux-kexec load ${cold.release} --panic --overlay /root/over:/`)
    expect(load, load.stderr).toMatchObject({ status: 0, document: { loaded: true, plan: { engine: 'segments' } } })
    await vm.spawn('echo c > /proc/sysrq-trigger')
    const boot = await vm.booted(BOOT)
    expect(boot).toMatchObject({ release: cold.release, commandLine: load.document.plan.commandLine })
    expect(boot.memTotal).toBeLessThan(256 * 2 ** 20)
    const core = await readCore(vm)
    const [CORE_FILE, AARCH64] = [4, 183]
    expect([core.type, core.machine]).toEqual([CORE_FILE, AARCH64])
    expect(core.facts.get('OSRELEASE')).toBe(cold.release)
    const names = BigInt(`0x${core.facts.get('SYMBOL(init_uts_ns)')}`)
    const at = names + BigInt(core.facts.get('OFFSET(uts_namespace.name)') ?? '')
    const said = await atVirtual(vm, core, at, 130)
    expect(said.toString('latin1').split('\0').filter(Boolean)).toEqual(['Linux', 'the-one-that-crashed'])
  })
})

test('a running kernel that would crash while it loads is not asked; and its crash is told', async ({ skip }) => {
  const kernel = guest.kernels.find(({ release }) => release.startsWith('6.12.'))
  if (kernel === undefined) return skip('the mirror has no kernel 6.12 for arm64')
  // A processor with 52 bits of virtual addresses.
  const vm = await startVm({ guest, kernel, qemuArguments: ['-cpu', 'max,pauth-impdef=on'] })
  try {
    await vm.booted(BOOT)
    const refused = await json(vm, 'linux-kexec load')
    expect(refused).toMatchObject({ status: 3, document: { error: { reason: 'no-kexec-support' } } })
    expect(refused.document.error.hint).toContain('arm64.nolva')
    const doctor = await json(vm, 'linux-kexec doctor')
    const finding = doctor.document.checks.find(({ id }: { id: string }) => id === 'kexec-load')
    expect(finding).toMatchObject({ status: 'problem', remedy: expect.stringContaining('arm64.nolva') })
    // Nothing came of it: kexec was not locked, as it is behind the crash.
    const asked = await json(vm, 'linux-kexec load --try-anyway')
    expect(asked).toMatchObject({ status: 1, document: { error: { reason: 'kernel-crashed', syscall: 'kexec_load' } } })
    const log = asked.document.error.evidence.map(({ value }: Evidence) => value).join('\n')
    expect(log).toMatch(/Oops.*pc : trans_pgd_create_copy/s)
    const again = await json(vm, 'linux-kexec load --try-anyway')
    expect(again).toMatchObject({ status: 1, document: { error: { reason: 'busy', code: 'EBUSY' } } })
    expect(again.document.error.summary).toContain('the running kernel has crashed before')
  } finally {
    await vm.stop()
  }
})
