import { isEfi, KEXEC_REBOOT, loaderVariable } from '../../system/efi-variables.ts'
import type { System } from '../../system/system.ts'
import { findBlackBox } from '../../trial/black-box.ts'
import { hasDeadman } from '../../trial/guards/deadman.ts'
import { judgeWatchdogs } from '../../trial/guards/watchdog.ts'
import { readWatchdogFacts, readWatchdogTarget } from '../../trial/guards/watchdog-facts.ts'
import { REBOOT_PATIENCE } from '../../trial/model/trial.ts'
import type { Finding, Subject } from '../examination/check.ts'
import { type Examination, planOf } from '../examination/examination.ts'

/** What would bring this machine back from a trial, and what the kernel does to the boot loader's variables. */
export const trialGuards: Subject<'trial-guards' | 'efibc'> = {
  name: 'trial',
  ids: ['trial-guards', 'efibc'],
  needsMachine: true,
  examine: (examination) => [guards(examination), ...efibc(examination)],
}

/** The deadline of a trial that names none, in milliseconds. */
const DEADLINE = 120_000

function guards(examination: Examination): Finding<'trial-guards'> {
  const { system } = examination
  const init = system.exists('/run/systemd/system') ? 'systemd' : 'init'
  const release = planOf(examination)?.image.version ?? null
  const wanted = (DEADLINE + REBOOT_PATIENCE) / 1000
  const [best] = judgeWatchdogs(readWatchdogFacts(system, init), readWatchdogTarget(system, release), wanted)
  const found = { id: 'trial-guards', status: 'ok', detail: [deadman(examination), blackBox(system)] } as const
  if (best === undefined)
    return { ...found, summary: `${ONLY_BEST_EFFORT}: no watchdog would end a hang.`, evidence: [] }
  const { name, reason, evidence } = best
  if (best.guards) return { ...found, summary: `${name} would guard a trial: ${clause(reason)}.`, evidence }
  const advice = best.hint === null ? [] : [`What would make it one: ${best.hint.replace(/\.$/, '')}.`]
  const detail = [reason, ...advice, ...found.detail]
  return { ...found, summary: `${ONLY_BEST_EFFORT}: ${name} would be no guard.`, detail, evidence }
}

const ONLY_BEST_EFFORT = 'Only --trial=best-effort'

function clause(text: string): string {
  return `${text.charAt(0).toLowerCase()}${text.slice(1)}`.replace(/\.$/, '')
}

function deadman(examination: Examination): string {
  const plan = planOf(examination)
  const architecture = plan?.image.architecture ?? examination.policy.kernel.architecture
  if (architecture === null || !hasDeadman(architecture))
    return `There is no program for ${architecture ?? 'this architecture'} that could end a trial at its deadline.`
  if (plan !== undefined && plan.initrds.length === 0)
    return 'Without an initrd, no program can end a trial at its deadline.'
  return 'A program in the initrd would end a trial at its deadline.'
}

function blackBox(system: System): string {
  const box = findBlackBox(system)
  return box.isKept
    ? `The last messages of its kernel would be kept in ${box.place}.`
    : `The last messages of its kernel would not be kept: ${box.reason}.`
}

/**
 * The module that writes the command of a reboot into the variables of the boot loader (drivers/firmware/efi/efibc.c). Only a
 * module is seen: built in, it has no parameters, and so no directory.
 */
function efibc({ system, configuration }: Examination): Finding<'efibc'>[] {
  if (isEfi(system) !== true) return []
  const isModule = system.exists(MODULE)
  if (!isModule && !isBuiltIn(system, configuration.quote(OPTION).value)) return []
  const evidence = isModule ? [{ source: MODULE, value: 'present' }] : [configuration.quote(OPTION)]
  const chosen = loaderVariable(system, 'LoaderEntryOneShot')
  const detail = [`systemd-boot has no entry '${KEXEC_REBOOT}' and starts its default.`]
  if (chosen === undefined || chosen === KEXEC_REBOOT) {
    const summary = `A kexec writes '${KEXEC_REBOOT}' into the EFI variable LoaderEntryOneShot, because efibc is active.`
    return [{ id: 'efibc', status: 'ok', summary, detail, evidence }]
  }
  const summary = `A kexec overwrites the entry '${chosen}' that was chosen for the next boot (LoaderEntryOneShot), because efibc is active.`
  const remedy = isModule
    ? 'modprobe -r efibc, before the kexec'
    : 'Choose the entry after the kexec: bootctl set-oneshot'
  return [{ id: 'efibc', status: 'warning', summary, detail, evidence, remedy }]
}

const MODULE = '/sys/module/efibc'
const OPTION = 'EFI_BOOTLOADER_CONTROL'

function isBuiltIn(system: System, line: string): boolean {
  return line === `CONFIG_${OPTION}=y` && system.exists('/sys/firmware/efi/efivars')
}
