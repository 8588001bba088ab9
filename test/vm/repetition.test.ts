import { expect, test } from 'vitest'
import { machineForFile } from './guests.ts'

const machine = machineForFile({ append: 'console=tty0 quoted="two words" systemd.unit=none -- init words' })

test('twenty kexecs in a row leave the command line as the first had it', async () => {
  const first = (await machine.vm.run('cat /proc/cmdline')).stdout.trim()
  const bootIds = new Set<string>()
  for (let round = 1; round <= 20; round++) {
    const target = round % 2 === 1 ? machine.newer : machine.older
    const load = await machine.vm.run(`linux-kexec load ${target} --append quiet`)
    expect(load, `round ${round}`).toMatchObject({ status: 0 })
    await machine.vm.spawn('linux-kexec exec')
    const boot = await machine.vm.booted()
    expect(boot.release, `round ${round}`).toBe(target)
    expect(boot.commandLine, `round ${round}`).toBe(first.replace(' -- ', ' quiet -- '))
    bootIds.add(boot.bootId)
  }
  expect(bootIds.size).toBe(20)
})
