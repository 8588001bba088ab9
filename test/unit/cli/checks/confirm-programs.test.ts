import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { carryOut, planMakingDefault } from '../../../../src/cli/checks/confirm-programs.ts'
import type { CheckResult } from '../../../../src/cli/checks/run-check.ts'
import type { System } from '../../../../src/system/system.ts'
import { confirmTrial } from '../../../../src/trial/confirm.ts'
import type { TrialRecord, TriedEntry } from '../../../../src/trial/model/trial.ts'
import { TrialRecords } from '../../../../src/trial/record/records.ts'
import { trialStatus } from '../../../../src/trial/status.ts'
import { layFixture } from '../../entries/fixtures.ts'
import { before, change, during, ID, machine, newer, startedRecord } from '../../trial/machine.ts'
import { wholeKernels } from '../../trial/tried.ts'

const entry: TriedEntry = {
  id: 'l1',
  title: 'Debian GNU/Linux 12 (bookworm) 6.1.0-50-arm64',
  kernel: '/boot/vmlinuz-6.1.0-50-arm64',
  initrds: ['/boot/initrd.img-6.1.0-50-arm64'],
  commandLine: 'root=UUID=3f6c1d52-8a0b-4c6e-9d4e-1b2a7c5e9f01 ro quiet',
  changed: null,
}

/** A machine of u-boot-menu whose running kernel is on trial, with these programs for sh in confirm.d. */
function onTrial(programs: Readonly<Record<string, string>>, tried: TriedEntry | null = entry): System {
  const system = machine(before, { '/etc/linux-kexec/confirm.d': 'directory' })
  layFixture('debian-u-boot-menu', system.root)
  wholeKernels(system, 'boot')
  const { target } = startedRecord()
  change(system, before)
  new TrialRecords(system).begin(startedRecord({ target: { ...target, entry: tried } }))
  change(system, during)
  for (const [name, body] of Object.entries(programs)) {
    const path = join(system.root, 'etc/linux-kexec/confirm.d', name)
    writeFileSync(path, `#!/bin/sh\n${body}\n`)
    chmodSync(path, 0o755)
  }
  return system
}

async function confirm(system: System) {
  const log: string[] = []
  const plan = await planMakingDefault(system)
  const { record } = confirmTrial(system, { release: () => {} })
  const ran = ({ name, passed }: CheckResult) => void log.push(`${name} ${passed}`)
  return { log, plan, outcome: await carryOut(system, record as TrialRecord, plan, { limit: 20_000, ran }) }
}

const configuration = (system: System) => readFileSync(join(system.root, 'boot/extlinux/extlinux.conf'), 'utf8')
const show =
  'echo "$LINUX_KEXEC_TRIAL|$LINUX_KEXEC_KERNEL|$LINUX_KEXEC_RELEASE|$LINUX_KEXEC_ENTRY|$LINUX_KEXEC_DEFAULT|$#"'

test('linux-kexec changes the boot loader that it knows, and then runs every program in the order of their names', async () => {
  const changed = 'grep -q "^default l1$" "$(dirname "$0")/../../../boot/extlinux/extlinux.conf" || exit 9'
  const system = onTrial({ b: show, a: changed })
  const { log, plan, outcome } = await confirm(system)
  expect(plan.left).toBe(null)
  expect(log).toEqual(['a true', 'b true'])
  expect(outcome).toMatchObject({ failure: null, madeDefault: { entry: 'l1', change: { variable: 'DEFAULT' } } })
  expect(outcome.programs[1]?.output).toBe(`${ID}|/boot/vmlinuz-${newer}|${newer}|l1|done|0\n`)
})

test('what it cannot change is left to the programs; without any it is refused before the confirmation', async () => {
  await expect(planMakingDefault(onTrial({}, null))).rejects.toMatchObject({
    reason: 'default-unchanged',
    refused: true,
    hint: expect.stringMatching(/^Let a program in \/etc\/linux-kexec\/confirm\.d do it, .* Or: /),
  })
  const system = onTrial({ a: show }, null)
  const text = configuration(system)
  const { plan, outcome } = await confirm(system)
  expect(plan.left).toMatchObject({ reason: 'default-unchanged' })
  expect(outcome).toMatchObject({ failure: null, madeDefault: null })
  expect(outcome.programs[0]?.output).toBe(`${ID}|/boot/vmlinuz-${newer}|${newer}|||0\n`)
  expect(configuration(system)).toBe(text)
})

test('a program that fails is told; those behind it are not run, the trial stays confirmed, and all can be repeated', async () => {
  const flag = '"$(dirname "$0")/../../good"'
  const system = onTrial({ a: `[ -e ${flag} ] || { echo no space >&2; exit 7; }`, b: `: > ${flag}.b` })
  const first = await confirm(system)
  expect(first.outcome.failure).toMatchObject({
    reason: 'program-failed',
    refused: false,
    path: '/etc/linux-kexec/confirm.d/a',
    summary: 'the trial is confirmed, and a failed with status 7',
    evidence: [{ source: '/etc/linux-kexec/confirm.d/a', value: 'no space' }],
  })
  expect(first.log).toEqual(['a false'])
  expect(existsSync(join(system.root, 'etc/good.b'))).toBe(false)
  expect(trialStatus(system).outcome).toBe('confirmed')
  expect(configuration(system)).toContain('\ndefault l1\n')
  writeFileSync(join(system.root, 'etc/good'), '')
  const second = await confirm(system)
  expect(second.outcome).toMatchObject({ failure: null, madeDefault: { change: null } })
  expect(second.log).toEqual(['a true', 'b true'])
})
