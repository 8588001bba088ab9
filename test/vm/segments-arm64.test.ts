import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Boot, type Guest, startVm, type Vm, type VmOptions } from '../../src/vm/index.ts'
import { BOOT, debianGuest, json } from './guests.ts'

let guest: Guest
let older: string
let newer: string

beforeAll(async () => {
  // kexec-tools is what the device tree is compared with, by dtc.
  guest = await debianGuest({ architecture: 'arm64', packages: ['kexec-tools', 'device-tree-compiler'] })
  const [first, second] = guest.kernels.map(({ release }) => release)
  older = first as string
  newer = second as string
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
async function kexec(vm: Vm, target: string, options = ''): Promise<{ boot: Boot; planned: string }> {
  const load = await json(vm, `linux-kexec load ${target} ${options}`)
  expect(load, load.stderr).toMatchObject({ status: 0, document: { plan: { engine: 'segments' } } })
  await vm.spawn('linux-kexec exec')
  return { boot: await vm.booted(BOOT), planned: load.document.plan.cmdline }
}

describe('a device tree, two processors', () => {
  const machine = machineFor(() => ({ cpus: 2 }))

  test('three kexecs in a row', async () => {
    for (const [index, target] of [newer, older, newer].entries()) {
      const { boot, planned } = await kexec(machine.vm, target, `--append round=${index} --remove round`)
      expect(boot).toMatchObject({ release: target, commandLine: planned })
      expect((await machine.vm.run('nproc')).stdout).toBe('2\n')
    }
  })
})
