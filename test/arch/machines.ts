import { afterAll, beforeAll, expect } from 'vitest'
import {
  type ArchitectureName,
  type Boot,
  buildGuest,
  type Guest,
  newestKernels,
  ProvisionError,
  startVm,
  type Vm,
} from '../../src/vm/index.ts'
import { newestOfSeries } from '../../src/vm/provision/kernels.ts'
import { makeOverlay as makeOverlayOf } from '../vm/checksum-init.ts'
import { tarball } from '../vm/guests.ts'

const progress = (message: string) => console.error(`  ${message}`)

/** Milliseconds for a boot, and for a command of ours: Node takes half a minute to start on an emulated 32-bit arm. */
export const SLOW = { deadline: 600_000 }

/** Of a cold boot's, how much the new kernel's memory may differ. */
const TOLERANCE = 0.01

/** One machine for all tests of a group. */
export function machineFor(
  architecture: ArchitectureName,
  series: readonly string[] = [],
  { packages = [], cpus = 2, memory = 1024 }: { packages?: readonly string[]; cpus?: number; memory?: number } = {},
) {
  const machine = {} as { vm: Vm; guest: Guest; cold: Boot }
  beforeAll(async () => {
    const kernels = await kernelsFor(architecture, series)
    const guest = await buildGuest({ architecture, kernels, tarball, packages, progress })
    const vm = await startVm({ guest, cpus, memory, progress })
    Object.assign(machine, { vm, guest, cold: await vm.booted(SLOW) })
  })
  afterAll(() => machine.vm?.stop())
  return machine
}

async function kernelsFor(architecture: ArchitectureName, series: readonly string[]) {
  if (series.length === 0) return newestKernels({ architecture, count: 1, progress })
  const suites = ['bookworm', 'trixie', 'testing', 'unstable']
  const found = await newestOfSeries(series, { architecture, suites, progress })
  if (found.size === 0) throw new ProvisionError(`the mirror has no kernel ${series.join(' or ')} for ${architecture}`)
  return [...found.values()]
}

/** Runs a command of ours. */
export function run(vm: Vm, command: string) {
  return vm.run(command, SLOW)
}

/** The same with --json. */
export async function json(vm: Vm, command: string) {
  const result = await run(vm, `${command} --json`)
  return { ...result, document: result.stdout === '' ? undefined : JSON.parse(result.stdout) }
}

/** Loads, jumps, and returns what came up. */
export async function kexec(vm: Vm, target: string, options = ''): Promise<{ boot: Boot; planned: string }> {
  const load = await json(vm, `linux-kexec load ${target} ${options}`)
  expect(load, load.stderr).toMatchObject({ status: 0, document: { plan: { engine: 'segments' } } })
  await vm.spawn('linux-kexec exec', SLOW)
  return { boot: await vm.booted(SLOW), planned: load.document.plan.commandLine }
}

export function expectAllMemory(boot: Boot, cold: Boot): void {
  expect(Math.abs(boot.memTotal / cold.memTotal - 1)).toBeLessThan(TOLERANCE)
}

/** A directory to overlay the initrd with, of 20 MB. @returns their checksum */
export function makeOverlay(vm: Vm, directory: string): Promise<string> {
  return makeOverlayOf(vm, directory, 20_000_000, SLOW)
}
