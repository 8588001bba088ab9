import { describe, expect, test } from 'vitest'
import { expectAllMemory, json, kexec, machineFor, makeOverlay, run } from './machines.ts'

/** What the running kernel was told, as dtc shows it, without what each boot has of its own. */
const tree =
  'dtc -q -s -I dtb -O dts /sys/firmware/fdt | grep -v -e rng-seed -e kaslr-seed -e initrd- -e bootargs -e booted-from'

describe('riscv64: Debian builds its kernels without kexec_file_load', () => {
  const machine = machineFor('riscv64', ['6.12', '7.2'], { packages: ['device-tree-compiler'] })

  test('`policy` and `status` say what there is', async () => {
    expect((await json(machine.vm, 'linux-kexec policy')).document).toMatchObject({
      mode: 'unsupported',
      kernel: { architecture: 'riscv64' },
      kexecFileLoad: { mode: 'unsupported', code: 'ENOSYS' },
      kexecLoad: { mode: 'unchecked' },
    })
    expect(await json(machine.vm, 'linux-kexec status')).toMatchObject({ status: 4, document: { loaded: false } })
  })

  test('the plan says where everything would lie, and warns of nothing', async () => {
    const { document } = await json(machine.vm, 'linux-kexec plan running')
    expect(document).toMatchObject({ engine: 'segments', warnings: [], refusals: [] })
    expect(document.segments.map(({ name }: { name: string }) => name)).toEqual(['kernel', 'device tree', 'initrd'])
  })

  test('the initrd arrives as it was', async () => {
    const sum = await makeOverlay(machine.vm, '/root/overlay')
    const { boot, planned } = await kexec(machine.vm, 'newest', '--overlay /root/overlay:/')
    expect(boot).toMatchObject({ release: machine.guest.kernels.at(-1)?.release, commandLine: planned })
    expect((await run(machine.vm, 'dmesg | grep payload')).stdout).toContain(`payload ${sum}`)
  })

  test('each kernel into another, again and again: its command line, all memory, both processors, the same devices', async () => {
    const releases = machine.guest.kernels.map(({ release }) => release)
    const first = await run(machine.vm, tree)
    expect(first.stdout).toContain('riscv-virtio')
    for (const [index, target] of [...releases, ...releases].entries()) {
      const { boot, planned } = await kexec(machine.vm, target, `--append round=${index} --remove round`)
      expect(boot).toMatchObject({ release: target, commandLine: planned })
      expectAllMemory(boot, machine.cold)
      expect((await run(machine.vm, 'nproc')).stdout).toBe('2\n')
      expect((await run(machine.vm, tree)).stdout).toBe(first.stdout)
    }
  })
})
