import { describe, expect, test } from 'vitest'
import { expectAllMemory, json, kexec, machineFor, makeOverlay, run } from './machines.ts'

describe('armhf: 32-bit arm has no kexec_file_load at all', () => {
  const machine = machineFor('armhf')

  test('our command runs; `policy` and `status` say what there is', async () => {
    expect((await json(machine.vm, 'linux-kexec policy')).document).toMatchObject({
      kernel: { architecture: 'armv7l' },
      kexecFileLoad: { mode: 'unsupported' },
      kexecLoad: { mode: 'unchecked' },
    })
    expect(await json(machine.vm, 'linux-kexec status')).toMatchObject({ status: 4, document: { loaded: false } })
  })

  test('it kexecs into itself through segments: its command line, all memory, both processors', async () => {
    const { boot, planned } = await kexec(machine.vm, 'newest', '--append round=1')
    expect(boot).toMatchObject({ release: machine.cold.release, commandLine: planned })
    expectAllMemory(boot, machine.cold)
    expect((await run(machine.vm, 'nproc')).stdout).toBe('2\n')
  })
})

/** The device tree that the running kernel has, without what each boot has of its own. */
const devices = `cd /proc/device-tree/ && find . -type f -exec sha256sum {} + | sort -k 2 |
  grep -v -e /bootargs -e linux,initrd- -e rng-seed -e booted-from`

describe('ppc64el: Debian builds its kernels without kexec_file_load', () => {
  const machine = machineFor('ppc64el')

  test('our command runs; `policy`, `status` and `list` say what there is', async () => {
    expect((await json(machine.vm, 'linux-kexec policy')).document).toMatchObject({
      kernel: { architecture: 'ppc64le' },
      kexecFileLoad: { mode: 'unsupported', code: 'ENOSYS' },
      kexecLoad: { mode: 'unchecked' },
    })
    expect(await json(machine.vm, 'linux-kexec status')).toMatchObject({ status: 4, document: { loaded: false } })
    const { document } = await json(machine.vm, 'linux-kexec list')
    expect(document.entries).toMatchObject([
      { version: machine.cold.release, architecture: 'ppc64le', isRunning: true, problems: [] },
    ])
  })

  test('the plan says where everything would lie, and warns of nothing', async () => {
    const { document } = await json(machine.vm, 'linux-kexec plan running')
    expect(document).toMatchObject({ engine: 'segments', warnings: [], refusals: [] })
    const names = document.segments.map(({ name }: { name: string }) => name)
    expect(names).toEqual(['kernel', 'device tree', 'trampoline', 'initrd'])
  })

  test('a crash kernel is refused', async () => {
    const { document } = await json(machine.vm, 'linux-kexec plan newest --panic --engine segments')
    expect(document.refusals).toContainEqual(
      expect.objectContaining({
        reason: 'invalid-argument',
        summary: 'the engine `segments` (kexec_load) loads no crash kernels here in this version',
      }),
    )
  })

  test('into itself, again and again: its command line, all memory, both processors, the same devices', async () => {
    const first = await run(machine.vm, devices)
    expect(first.stdout).toContain('vty@71000000/reg')
    for (const round of [1, 2, 3]) {
      const { boot, planned } = await kexec(machine.vm, 'newest', `--append round=${round} --remove round`)
      expect(boot).toMatchObject({ release: machine.cold.release, commandLine: planned })
      expectAllMemory(boot, machine.cold)
      expect((await run(machine.vm, 'nproc')).stdout).toBe('2\n')
      expect((await run(machine.vm, devices)).stdout).toBe(first.stdout)
    }
  })

  test('the initrd arrives as it was', async () => {
    const sum = await makeOverlay(machine.vm, '/root/overlay')
    const { boot, planned } = await kexec(machine.vm, 'newest', '--overlay /root/overlay:/')
    expect(boot).toMatchObject({ release: machine.cold.release, commandLine: planned })
    expect((await run(machine.vm, 'dmesg | grep payload')).stdout).toContain(`payload ${sum}`)
  })
})

describe('s390x: Debian builds its kernels without kexec', () => {
  const machine = machineFor('s390x', [], { cpus: 1 })

  test('our command runs; `policy`, `status` and `list` say what there is', async () => {
    expect((await json(machine.vm, 'linux-kexec policy')).document).toMatchObject({
      kernel: { architecture: 's390x' },
      kexecFileLoad: { mode: 'unsupported' },
      kexecLoad: { mode: 'unsupported' },
    })
    expect((await run(machine.vm, 'linux-kexec status')).stdout).toBe('The running kernel has no kexec.\n')
    const { document } = await json(machine.vm, 'linux-kexec list')
    expect(document.entries).toMatchObject([
      { version: machine.cold.release, architecture: 's390x', isRunning: true, problems: [] },
    ])
  })

  test('a load is refused beforehand', async () => {
    const { status, document } = await json(machine.vm, 'linux-kexec load newest')
    expect(status).toBe(3)
    expect(document.error).toMatchObject({ reason: 'no-kexec-support' })
  })
})
