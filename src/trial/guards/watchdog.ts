import type { Evidence } from '../../errors.ts'
import type { Watchdog } from '../../system/watchdog/watchdogs.ts'
import { watchdogDevices } from '../../system/watchdog/watchdogs.ts'
import type { WatchdogGuard } from '../model/trial.ts'
import { knownDriver, READ_SINCE, type WatchdogDriver } from './watchdog-drivers.ts'
import type { DriverKind, WatchdogFacts, WatchdogTarget } from './watchdog-facts.ts'

/**
 * The time, in seconds, that hardware must count by itself while the kernels change, where the new one has the driver
 * built in and so soon feeds it.
 */
const JUMP = 10

/** Why a watchdog does not guard the trial. */
export const watchdogFaults = [
  /** Its driver is not one of those that were read. */
  'unknown-driver',
  /** It ends with the running kernel. */
  'ends-with-the-kernel',
  /** The watchdog core stops it at a reboot. */
  'stopped-at-reboot',
  /** Its driver stops it at a reboot, whatever the parameters. */
  'stopped-by-driver',
  /** Another process feeds it, and it is that process's to hand over. */
  'held',
  /** Nothing could stop it after the confirmation. */
  'cannot-be-stopped',
  /** The driver of the new kernel stops it, or the new kernel has none that could stop it after the confirmation. */
  'not-in-the-new-kernel',
  /** It cannot count for that long. */
  'timeout-too-short',
] as const
export type WatchdogFault = (typeof watchdogFaults)[number]

/** A parameter that the new kernel needs for the watchdog. */
export interface WatchdogParameter {
  readonly parameter: string
  /** A sentence. */
  readonly reason: string
}

interface Judged {
  /** Its name in /sys/class/watchdog. */
  readonly name: string
  /** A sentence. */
  readonly reason: string
  readonly evidence: readonly Evidence[]
}

/** A watchdog that resets the machine unless the trial is confirmed. */
export interface GuardingWatchdog extends Judged {
  readonly guards: true
  readonly guard: WatchdogGuard
  readonly parameters: readonly WatchdogParameter[]
}

export interface UselessWatchdog extends Judged {
  readonly guards: false
  readonly fault: WatchdogFault
  /** One action to take; null where there is none. */
  readonly hint: string | null
}

export type WatchdogJudgement = GuardingWatchdog | UselessWatchdog

/**
 * Whether each watchdog resets the machine when the new kernel is not confirmed, the one to use first.
 * @param wanted seconds from the beginning of the reboot, after which it is to reset the machine
 */
export function judgeWatchdogs(facts: WatchdogFacts, target: WatchdogTarget, wanted: number): WatchdogJudgement[] {
  const seconds = Math.ceil(wanted)
  const judgements = facts.watchdogs.map((watchdog) => judge({ facts, target, seconds, watchdog }))
  const rank = (each: WatchdogJudgement) => (!each.guards ? 2 : each.guard.until === 'confirmation' ? 0 : 1)
  return judgements.sort((one, other) => rank(one) - rank(other))
}

interface Question {
  readonly facts: WatchdogFacts
  readonly target: WatchdogTarget
  readonly seconds: number
  readonly watchdog: Watchdog
}

function judge(question: Question): WatchdogJudgement {
  const { watchdog, target } = question
  const driver = knownDriver(watchdog.driver, watchdog.identity)
  if (driver === undefined) {
    const name = watchdog.driver ?? watchdog.identity ?? 'which it does not name'
    return useless(question, 'unknown-driver', `What its driver, ${name}, does at a reboot is unknown.`, null)
  }
  const fault = stopped(question, driver) ?? held(question) ?? unstoppable(question)
  if (fault !== undefined) return fault
  const kind = target.kindOf(driver.module)
  const passage = takenOver(question, driver, kind)
  if ('fault' in passage) return passage
  return timed(question, driver, passage)
}

/** What the running kernel does to it on the way. */
function stopped(question: Question, driver: WatchdogDriver): UselessWatchdog | undefined {
  const { stopOnReboot } = question.facts.core
  const { module, atReboot } = driver
  if (atReboot === 'ends') {
    return useless(
      question,
      'ends-with-the-kernel',
      `${module} is a timer of the running kernel, and ends with it.`,
      null,
    )
  }
  if (atReboot === 'driver-stops') {
    return useless(question, 'stopped-by-driver', `${module} stops it whenever the machine reboots.`, null)
  }
  const isKept = stopOnReboot === 0 || (atReboot !== 'core-stops' && stopOnReboot !== 1)
  if (isKept) return undefined
  const why =
    stopOnReboot === 1 ? 'because of watchdog.stop_on_reboot=1' : `because its driver, ${module}, asks for that`
  return useless(question, 'stopped-at-reboot', `The kernel stops it at a reboot, ${why}.`, keeping(question, module))
}

/** How the kernel is told to keep watchdogs running. A driver asks when it registers its watchdog. */
function keeping({ facts: { core } }: Question, module: string): string | null {
  if (core.stopOnReboot === null) return null
  return core.isModule
    ? `modprobe -r ${module} watchdog && modprobe watchdog stop_on_reboot=0 && modprobe ${module}`
    : 'Add watchdog.stop_on_reboot=0 to the command line of the running kernel, and boot it once with that.'
}

/** Who feeds it, and whether they hand it over. */
function held(question: Question): UselessWatchdog | undefined {
  const { facts, watchdog, seconds } = question
  const holder = facts.holders.get(watchdog.name)
  if (holder !== undefined) {
    const reason = `${holder.name} (process ${holder.process}) feeds it.`
    return useless(question, 'held', reason, `Stop ${holder.name} before the reboot, so that linux-kexec can arm it.`)
  }
  if (watchdog.heldByInit === null || handsOver(question)) return undefined
  if (facts.init !== 'systemd') return useless(question, 'held', `PID 1 (${facts.init}) feeds it.`, null)
  const hint = `Set KExecWatchdogSec=${seconds} in /etc/systemd/system.conf, then: systemctl daemon-reexec`
  return useless(question, 'held', 'systemd feeds it, and stops it before the kexec.', hint)
}

/** Whether systemd sets it, and leaves it running, when it starts the loaded kernel. */
function handsOver(question: Question): boolean {
  return isSystemds(question) && question.facts.systemd.kexec !== 0
}

/** Whether it is the one that systemd uses: the first, unless WatchdogDevice= names another. */
function isSystemds({ facts, watchdog }: Question): boolean {
  return facts.init === 'systemd' && watchdogDevices(watchdog.name).includes(facts.systemd.device ?? '/dev/watchdog0')
}

/** Whether systemd feeds it while the system runs, before this reboot and after it. */
function isFed(question: Question): boolean {
  return isSystemds(question) && question.facts.systemd.runtime !== 0
}

function unstoppable(question: Question): UselessWatchdog | undefined {
  const { nowayout } = question.watchdog
  if (nowayout === false || isFed(question)) return undefined
  const reason =
    nowayout === null
      ? 'Whether it can be stopped after the confirmation is unknown (CONFIG_WATCHDOG_SYSFS is off).'
      : 'It cannot be stopped after the confirmation (nowayout), and no program would feed it.'
  const hint = nowayout === null ? null : 'Let systemd feed it: RuntimeWatchdogSec=30 in /etc/systemd/system.conf'
  return useless(question, 'cannot-be-stopped', reason, hint)
}

/** How it gets through the start of the new kernel. */
interface Passage {
  /** Seconds that the hardware itself must count. */
  readonly needed: number
  readonly until: WatchdogGuard['until']
  readonly parameters: readonly WatchdogParameter[]
  /** A sentence. */
  readonly reason: string
}

function takenOver(question: Question, driver: WatchdogDriver, kind: DriverKind): Passage | UselessWatchdog {
  const { target, seconds } = question
  const { module } = driver
  if (kind === 'absent' || kind === 'unknown') {
    const reason =
      kind === 'absent'
        ? `The new kernel has no ${module}, which could stop it after the confirmation.`
        : `Whether the new kernel has ${module}, which could stop it after the confirmation, is unknown.`
    return useless(question, 'not-in-the-new-kernel', reason, null)
  }
  if (driver.atProbe === 'notices' && isReadRelease(target.release)) {
    return {
      needed: kind === 'built-in' ? Math.min(seconds, JUMP) : seconds,
      until: isFed(question) ? 'systemd' : 'confirmation',
      parameters: [
        {
          parameter: 'watchdog.handle_boot_enabled=1',
          reason: `The new kernel feeds a watchdog that it finds running, as ${module} then does.`,
        },
        {
          parameter: `watchdog.open_timeout=${seconds}`,
          reason: `It does so for ${seconds} s, unless a program opens the watchdog before.`,
        },
      ],
      reason: `${module} of the new kernel finds it running and feeds it for ${seconds} s.`,
    }
  }
  const stops = driver.atProbe === 'notices' ? 'may stop it' : driver.atProbe === 'stops' ? 'stops it' : 'sets it anew'
  if (kind === 'built-in') {
    return useless(question, 'not-in-the-new-kernel', `${module}, built into the new kernel, ${stops}.`, null)
  }
  if (question.watchdog.nowayout !== false) {
    const reason = `It cannot be stopped (nowayout), and nothing can feed it before ${module} is loaded.`
    return useless(question, 'cannot-be-stopped', reason, null)
  }
  return {
    needed: seconds,
    until: 'confirmation',
    parameters: [
      {
        parameter: `modprobe.blacklist=${module}`,
        reason: `${module} ${stops} when it is loaded, so modprobe and udev leave it until the confirmation.`,
      },
    ],
    reason: `It counts on in the new kernel, which loads ${module} only after the confirmation.`,
  }
}

/** Whether it can count for as long as is needed, and who sets it to that. */
function timed(question: Question, driver: WatchdogDriver, passage: Passage): WatchdogJudgement {
  const { watchdog, seconds, facts } = question
  const { needed, until, parameters, reason } = passage
  const limit = watchdog.maxTimeout !== null && watchdog.maxTimeout > 0 ? watchdog.maxTimeout : driver.limit
  if (limit === null) {
    const unknown = 'For how long its hardware counts without the kernel that set it is unknown.'
    return useless(question, 'timeout-too-short', unknown, null)
  }
  if (limit !== undefined && limit < needed) {
    const short = `It counts for at most ${limit} s, and ${needed} s are needed.`
    return useless(question, 'timeout-too-short', short, `Choose a deadline of at most ${limit} s.`)
  }
  const isHandedOver = handsOver(question)
  const own = Math.max(Math.min(seconds, limit ?? seconds), watchdog.minTimeout ?? 1)
  const { kexec } = facts.systemd
  const set = isHandedOver ? (kexec === 'default' ? (watchdog.timeout ?? 0) : Math.ceil(kexec)) : own
  if (set < needed) {
    const short = `systemd sets it to ${set} s, and ${needed} s are needed.`
    const hint = `Set KExecWatchdogSec=${needed} in /etc/systemd/system.conf, then: systemctl daemon-reexec`
    return useless(question, 'timeout-too-short', short, hint)
  }
  const timeout = driver.atReboot === 'extends' ? Math.max(set, limit ?? set) : set
  const latest = driver.countsTwice ? 2 * timeout : timeout
  const within = latest === timeout ? `${timeout}` : `${timeout} to ${latest}`
  return {
    guards: true,
    ...judged(question, `Without being fed it resets the machine after ${within} s. ${reason}`),
    guard: {
      name: watchdog.name,
      driver: question.target.kindOf(driver.module) === 'module' ? driver.module : null,
      timeout,
      latest,
      armedBy: isHandedOver ? 'systemd' : 'linux-kexec',
      until,
    },
    parameters,
  }
}

function isReadRelease(release: string | null): boolean {
  const [, major, minor] = /^(\d{1,4})\.(\d{1,4})/.exec(release ?? '') ?? []
  if (major === undefined || minor === undefined) return false
  return Number(major) > READ_SINCE.major || (Number(major) === READ_SINCE.major && Number(minor) >= READ_SINCE.minor)
}

function useless(question: Question, fault: WatchdogFault, reason: string, hint: string | null): UselessWatchdog {
  return { guards: false, fault, hint, ...judged(question, reason) }
}

function judged({ watchdog, facts }: Question, reason: string): Judged {
  const { name } = watchdog
  const holder = facts.holders.get(name)
  const { stopOnReboot } = facts.core
  const core: Evidence[] =
    stopOnReboot === null
      ? []
      : [{ source: '/sys/module/watchdog/parameters/stop_on_reboot', value: `${stopOnReboot}` }]
  const evidence = [...watchdog.evidence, ...(holder === undefined ? [] : [holder.evidence]), ...core]
  return { name, reason, evidence }
}
