import { expect, test } from 'vitest'
import { expectAllMemory, kexec, machineFor, makeOverlay, run } from './machines.ts'

// What takes too long for each change (test/vm/segments-arm64.test.ts has the rest): ten kexecs in a row with a
// large initrd, on a machine of 8 GiB with two processors.

const SERIES = ['6.1', '6.12', '7.2']

/** Ten rounds, each into another release than the one before. */
const rounds = ['6.12', '7.2', '6.1', '7.2', '6.12', '6.1', '6.12', '7.2', '6.1', '6.12']

const machine = machineFor('arm64', SERIES, { memory: 8192 })

test('ten kexecs in a row: initrd, memory, processors and command line are there each time', async () => {
  const sums = new Map<string, string>()
  for (const [round, series] of rounds.entries()) {
    const release = machine.guest.kernels.find((kernel) => kernel.release.startsWith(`${series}.`))?.release
    expect(release, `the mirror has no kernel ${series} for arm64`).toBeDefined()
    const directory = `/root/overlay-${round}`
    const sum = await makeOverlay(machine.vm, directory)
    expect([...sums.values()]).not.toContain(sum)
    sums.set(directory, sum)
    const options = `--overlay ${directory}:/ --remove round --append round=${round}`
    const { boot, planned } = await kexec(machine.vm, release as string, options)
    expect(boot).toMatchObject({ release, commandLine: planned })
    expect((await run(machine.vm, 'dmesg | grep payload')).stdout).toContain(`payload ${sum}`)
    expect((await run(machine.vm, 'nproc')).stdout.trim()).toBe('2')
    expectAllMemory(boot, machine.cold)
    console.error(`  ${round + 1}: ${release}`)
  }
})
