import { describe, expect, test } from 'vitest'
import { expectAllMemory, json, kexec, machineFor, run } from './machines.ts'

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

describe('ppc64el: Debian builds its kernels without kexec_file_load', () => {
  const machine = machineFor('ppc64el', [], { cpus: 1 })

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

  test('a load is refused beforehand: there is no system call for it', async () => {
    const { status, document } = await json(machine.vm, 'linux-kexec load newest')
    expect(status).toBe(3)
    expect(document.error).toMatchObject({ reason: 'no-kexec-support' })
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
