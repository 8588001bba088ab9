import { randomBytes } from 'node:crypto'
import { TRIAL_PARAMETER } from '../../cmdline/reuse.ts'
import { readConfiguration } from '../../policy/survey/configuration.ts'
import { Survey } from '../../policy/survey/survey.ts'
import { type BlackBox, findBlackBox } from '../../trial/black-box.ts'
import { hasDeadman } from '../../trial/guards/deadman.ts'
import { judgeWatchdogs } from '../../trial/guards/watchdog.ts'
import { readWatchdogFacts, readWatchdogTarget } from '../../trial/guards/watchdog-facts.ts'
import { REBOOT_PATIENCE, type WatchdogGuard } from '../../trial/model/trial.ts'
import type { Context } from '../context/context.ts'
import { type AskedTrial, askedTrial } from './options.ts'

/** A parameter that a trial adds to the command line, and the reason. */
export interface TrialParameter {
  readonly raw: string
  readonly reason: string
}

/** The hardware watchdog that can guard a trial; or none, and why. */
export interface PossibleWatchdog {
  readonly guard: WatchdogGuard | null
  readonly parameters: readonly TrialParameter[]
  readonly reason: string
  /** What would make one guard; null where nothing is known to. */
  readonly remedy: string | null
}

/** The guards that a trial can have on this machine. The command line may still take one away. */
export interface PossibleTrial {
  readonly id: string
  readonly asked: AskedTrial
  readonly watchdog: PossibleWatchdog
  /** Whether a program in the initrd can reset the machine, and why (not). */
  readonly deadman: { readonly isPossible: boolean; readonly reason: string }
  /** What keeps the last messages of the new kernel, if it dies. */
  readonly blackBox: BlackBox
  readonly parameters: readonly TrialParameter[]
}

/** Seconds that a console needs to show a panic. */
const PANIC = 5

/**
 * Finds out which guards a trial can have, before the command line is chosen: they need parameters on it.
 * @returns null where no trial is asked for @throws KexecError 'invalid-argument'
 */
export function possibleTrial(context: Context): PossibleTrial | null {
  const asked = askedTrial(context.options)
  if (asked === null) return null
  const id = randomBytes(8).toString('hex')
  const seconds = Math.ceil((asked.deadline + REBOOT_PATIENCE) / 1000)
  const watchdog = possibleWatchdog(context, seconds)
  const deadman = possibleDeadman(context)
  const blackBox = possibleBlackBox(context)
  const parameters = [
    { raw: `${TRIAL_PARAMETER}=${id}`, reason: 'the new system knows its trial by this id' },
    ...onPanic,
    ...onLockup(context),
    ...watchdog.parameters,
    ...(blackBox.isKept ? blackBox.parameters : []).map((raw) => ({ raw, reason: BLACK_BOX })),
  ]
  return { id, asked, watchdog, deadman, blackBox, parameters }
}

const BLACK_BOX = 'the new kernel keeps its last messages where the running one finds them'

function possibleBlackBox({ system, kernel }: Context): BlackBox {
  const box = findBlackBox(system)
  const isMissing = readWatchdogTarget(system, kernel.image.version).kindOf('ramoops') === 'absent'
  return box.isKept && isMissing ? { isKept: false, reason: 'the new kernel has no ramoops' } : box
}

function possibleWatchdog({ system, kernel }: Context, seconds: number): PossibleWatchdog {
  // As sd_booted(3) tells it.
  const init = system.exists('/run/systemd/system') ? 'systemd' : 'init'
  const target = readWatchdogTarget(system, kernel.image.version)
  const [best] = judgeWatchdogs(readWatchdogFacts(system, init), target, seconds)
  if (best === undefined)
    return { guard: null, parameters: [], reason: 'this machine has no watchdog', remedy: NO_WATCHDOG }
  const reason = `${best.name}: ${clauseOf(best.reason)}`
  if (!best.guards) return { guard: null, parameters: [], reason, remedy: best.hint }
  const parameters = best.parameters.map(({ parameter, reason: why }) => ({ raw: parameter, reason: why }))
  return { guard: best.guard, parameters, reason, remedy: null }
}

const NO_WATCHDOG = 'Load the driver of its watchdog, if the machine has one'

/** A sentence as a part of another one. */
function clauseOf(sentence: string): string {
  const isName = /^[A-Z]{2}/.test(sentence)
  return (isName ? sentence : `${sentence.charAt(0).toLowerCase()}${sentence.slice(1)}`).replace(/\.$/, '')
}

function possibleDeadman({ initrds, kernel }: Context): PossibleTrial['deadman'] {
  const { architecture } = kernel.image
  if (initrds.archives.length === 0)
    return { isPossible: false, reason: 'there is no initrd that could start a program before userspace' }
  if (architecture === null || !hasDeadman(architecture))
    return { isPossible: false, reason: `there is no such program for ${architecture ?? 'an unknown architecture'}` }
  return { isPossible: true, reason: 'it starts before init, and survives the change to the root file system' }
}

/** `panic=` counts from the panic; 0, the usual default, waits for ever: kernel/panic.c. */
const onPanic: readonly TrialParameter[] = [
  { raw: `panic=${PANIC}`, reason: `a panic resets the machine after ${PANIC} s` },
  { raw: 'oops=panic', reason: 'a fault in the kernel ends the trial' },
]

/** The detectors that the new kernel has, as its configuration shows. */
function onLockup({ system, kernel }: Context): TrialParameter[] {
  const release = kernel.image.version
  if (release === null) return []
  const { has } = readConfiguration(new Survey(system), release, { isRunning: false })
  const soft = { raw: 'softlockup_panic=1', reason: 'a CPU that runs kernel code for 20 s ends the trial' }
  const hard = { raw: 'nmi_watchdog=panic', reason: 'a CPU that takes no interrupts for 10 s ends the trial' }
  return [
    ...(has('SOFTLOCKUP_DETECTOR') === true ? [soft] : []),
    ...(has('HARDLOCKUP_DETECTOR') === true ? [hard] : []),
  ]
}
