import { expect, test } from 'vitest'
import { BOOTS, boot, kexecRecord, LINE, stampAt, write } from '../trial/last/machine.ts'
import { change, machine, newer, older } from '../trial/machine.ts'
import { cli, json } from './cli.ts'

const arrival = {
  bootId: BOOTS[1] as string,
  stamp: stampAt(5000, 70_000_000),
  initBegan: '72000000',
  uncertainty: 0.8,
  perMillisecond: 1000,
  problem: null,
}

test('0 with a kexec that is known, 4 without one, 1 when that is unknown', async () => {
  const system = machine(boot(1, 'kexec'))
  write(system, [kexecRecord({ arrival })])
  const { status, stdout } = await cli(['last', '--root', system.root])
  expect(status).toBe(0)
  for (const line of [
    /^started by +a kexec of linux-kexec, 0123456789abcdef$/,
    new RegExp(`^ {2}from +${older}$`),
    new RegExp(`^ {2}to +${newer.replaceAll('+', '\\+')}, /boot/vmlinuz`),
    new RegExp(`^ {2}planned +${LINE}$`),
    /^ {2}loaded +.*, by root \(ana\), \/usr\/bin\/linux-kexec\[77\]$/,
    /^ {2}stopping +3\.00 s$/,
    /^ {2}down +9\.00 s$/,
    /^ {2}together +12\.00 s$/,
    /^kexecs +1 since the machine was started$/,
  ])
    expect(
      stdout.split('\n').some((text) => line.test(text)),
      `${line}\n${stdout}`,
    ).toBe(true)
  change(system, boot(2, 'grub'))
  const cold = await cli(['last', '--root', system.root])
  expect(cold).toMatchObject({ status: 4 })
  expect(cold.stdout).toMatch(/^started by +the firmware, as far as is known\n/)
  expect(cold.stdout).toMatch(/before:\n {2}.* to .* 12\.0 s\n$/)
  change(system, boot(2, 'kexec'))
  expect(await json(['last', '--root', system.root])).toMatchObject({
    status: 1,
    document: { startedBy: 'kexec', kexec: null, kexecs: null },
  })
})

test('what is rough, unknown, different or was not seen is said', async () => {
  const system = machine(boot(1, 'kexec', newer, `${LINE} extra`))
  const rough = { ...arrival, uncertainty: 120 }
  write(system, [
    kexecRecord({ id: 'f'.repeat(16), number: null }),
    kexecRecord({
      arrival: rough,
      left: null,
      trial: 'a'.repeat(16),
      number: null,
      by: { ...kexecRecord().by, uid: 5 },
    }),
  ])
  const { stdout } = await cli(['last', '--root', system.root])
  expect(stdout).toMatch(/together +12\.00 s, give or take 0\.12 s/)
  expect(stdout).toMatch(/stopping +unknown: nothing could be written down/)
  expect(stdout).toMatch(/confirmed +unknown: its trial was not confirmed/)
  expect(stdout).toMatch(/by user 5 \(ana\)/)
  expect(stdout).toContain('how many since the machine was started is unknown')
  expect(stdout).toContain(
    'warning: The running system is not as planned: /proc/cmdline has extra, which was not planned.',
  )
  expect(stdout).toMatch(/before:\n.*not seen running$/m)
})
