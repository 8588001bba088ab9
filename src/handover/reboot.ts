import { heed } from '../abort.ts'
import { KexecError } from '../errors.ts'
import { optionName } from '../option-name.ts'
import { readPrivileges, requireCapability } from '../policy/process/privileges.ts'
import { Lock } from '../state/lock.ts'
import { status } from '../system/kexec-state.ts'
import { System } from '../system/system.ts'
import { foreignText } from '../text.ts'
import { noteAbandoned, noteBegun } from '../trial/last/note.ts'
import { REBOOT_PATIENCE } from '../trial/model/trial.ts'
import { assessWay } from './assess.ts'
import type { HandoverContext, InitSystem } from './contract/init-system.ts'
import type { HandoverWarning } from './contract/remarks.ts'
import { detectInit } from './detect.ts'
import { direct } from './init-systems/direct.ts'
import { initSystems, ways } from './init-systems/served.ts'
import { loadedUnknown, requireReadyToExecute } from './jump/execute.ts'
import { checkImage } from './precautions/image-check.ts'
import { checkInhibitors } from './precautions/inhibitors.ts'
import { abandonTrial, startTrial } from './precautions/trial.ts'
import { loggedIn, tellUsers } from './precautions/users.ts'
import { cancelScheduled, type ScheduledReboot } from './schedule/schedule.ts'
import { scheduleOf, waitTelling } from './schedule/scheduled-reboot.ts'

/** The most logins that are named. */
const MAX_NAMED = 20

export interface RebootOptions {
  /** 'auto' takes the running init system; 'direct' does its work without it. */
  readonly via?: string
  /** Report the steps and do nothing. */
  readonly dryRun?: boolean
  /** Heeded until the first step. Steps that have begun are not undone. */
  readonly signal?: AbortSignal
  /**
   * Time to wait for processes to end (direct) or for the init system to begin (others), milliseconds; default 90,000.
   */
  readonly deadline?: number
  /** Called with one sentence per step. */
  readonly report?: (step: string) => void
  /**
   * Start the loaded kernel although its files have changed since, or although another program has loaded it over ours.
   */
  readonly staleOk?: boolean
  /** Reboot although a program inhibits shutdown (systemd-inhibit). */
  readonly ignoreInhibitors?: boolean
  /**
   * Written to the terminals of logged-in users: at once, some minutes and a minute before, and when the time has come.
   */
  readonly message?: string
  /** When to begin. Everything is checked now, and again then. `cancelReboot` calls it off. */
  readonly at?: Date
  /** Time to wait before it, in milliseconds. */
  readonly delay?: number
  /** Reboot through the firmware when no kernel is loaded, and allow it when the loaded kernel cannot be started. */
  readonly allowFirmwareReboot?: boolean
}

/** The way of a reboot, and the evidence for it. */
export interface RebootHandover {
  readonly via: string
  readonly init: string
  readonly steps: readonly string[]
  /** Risks of it, and facts that the caller may not expect. */
  readonly warnings: readonly HandoverWarning[]
}

/**
 * Stops the services, unmounts, and starts the loaded kernel. Never reboots through the firmware, unless allowed to.
 * @returns the way it takes: at once with `dryRun`; else only where the init system ends this process later
 * @throws KexecError 'nothing-loaded', 'image-stale', 'image-replaced', 'inhibited', 'no-capability', 'not-init-pid-namespace',
 *   'unsupported-init', 'handover-failed', 'not-permitted', 'not-readable', 'busy', 'aborted', 'invalid-argument'
 */
export async function reboot(options: RebootOptions = {}): Promise<RebootHandover> {
  heed(options.signal)
  const system = new System()
  const schedule = scheduleOf(options)
  if (options.dryRun) return examine(system, options).handover
  const report = options.report ?? (() => {})
  const reported = new Set<string>()
  const warn = ({ handover }: Examined) => {
    for (const { text } of handover.warnings) if (!reported.has(text)) report(text)
    for (const { text } of handover.warnings) reported.add(text)
    throwIfAborted(options.signal)
  }
  // Later refusals are made now.
  if (schedule !== undefined) warn(examine(system, options))
  const lock = await (schedule === undefined
    ? Lock.take(system, 'reboot', { signal: options.signal })
    : waitTelling(system, schedule, options, report))
  try {
    // Even after a short wait: facts that held before need not hold now.
    const examined = examine(system, options)
    warn(examined)
    await begin(system, examined, options, { report, begun: () => lock.release() })
    return examined.handover
  } finally {
    lock.release()
  }
}

async function begin(
  system: System,
  { initSystem }: Examined,
  { message, deadline = REBOOT_PATIENCE, allowFirmwareReboot = false, signal }: RebootOptions,
  { report, begun }: Required<Pick<HandoverContext, 'report' | 'begun'>>,
): Promise<void> {
  const trial = startTrial(system)
  if (trial !== undefined) report(trial)
  noteBegun()
  if (message !== undefined) tellUsers(system, message)
  const context = { system, report, begun, deadline, allowFirmwareReboot }
  try {
    await initSystem.handOver(signal === undefined ? context : { ...context, signal })
  } catch (error) {
    // The machine goes on: no watchdog may reset it.
    abandonTrial(system, error)
    noteAbandoned()
    throw error
  }
}

/**
 * Calls off a scheduled reboot.
 * @returns the reboot that was called off; undefined when there was none
 * @throws KexecError 'no-capability', 'io', 'busy' when it has begun
 */
export function cancelReboot(system: System = new System()): ScheduledReboot | undefined {
  requireCapability(readPrivileges(system), 'calling off a reboot')
  return cancelScheduled(system)
}

interface Examined {
  readonly initSystem: InitSystem
  readonly handover: RebootHandover
}

/** Checks everything that a reboot depends on. @throws KexecError when it would not end in the intended kernel */
function examine(system: System, options: RebootOptions): Examined {
  const isLoaded = requireLoaded(options.allowFirmwareReboot ?? false)
  const { initSystem, reachesFirmware, ...way } = chooseWay(system, options.via ?? 'auto')
  if (!isLoaded && !reachesFirmware) throw noFirmware(initSystem)
  initSystem.requirePermission?.(system)
  const warnings = [
    ...(isLoaded ? checkImage(system, options) : [firmwareWarning()]),
    ...checkInhibitors(system, { ignore: options.ignoreInhibitors }),
    ...loggedInUsers(system, options.message),
  ]
  return { initSystem, handover: { ...way, warnings } }
}

/** @returns whether a kernel is loaded, which is optional where the firmware will do. @throws KexecError */
function requireLoaded(allowFirmwareReboot: boolean): boolean {
  try {
    if (requireReadyToExecute()) return true
    if (allowFirmwareReboot) return false
    throw loadedUnknown()
  } catch (error) {
    if (allowFirmwareReboot && error instanceof KexecError && error.reason === 'nothing-loaded') return false
    throw error
  }
}

function firmwareWarning(): HandoverWarning {
  if (status().loaded === false)
    return { code: 'firmware-reboot', text: 'No kernel is loaded: this is a reboot through the firmware.' }
  const text = 'Whether a kernel is loaded is unknown: this may be a reboot through the firmware.'
  return { code: 'loaded-unknown', text }
}

function loggedInUsers(system: System, message: string | undefined): HandoverWarning[] {
  const logins = loggedIn(system)
  if (logins.length === 0) return []
  const hint = message === undefined ? `; ${optionName('message')} writes to them` : ''
  const names = logins.slice(0, MAX_NAMED).map(({ user, terminal }) => `${foreignText(user)} (${terminal})`)
  const more = logins.length > MAX_NAMED ? `, and ${logins.length - MAX_NAMED} more` : ''
  return [{ code: 'users-logged-in', text: `Logged in: ${names.join(', ')}${more}${hint}.` }]
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return
  throw new KexecError('interrupted before anything was stopped', { reason: 'aborted', cause: signal.reason })
}

type Way = Omit<RebootHandover, 'warnings'> & { readonly initSystem: InitSystem; readonly reachesFirmware: boolean }

/** The way that a call names, else the machine's own. @throws KexecError when it would not end in the new kernel */
function chooseWay(system: System, via: string): Way {
  const init = detectInit(system)
  const initSystem = via === 'auto' ? init.initSystem : initSystems.find(({ name }) => name === via)
  if (initSystem === undefined) {
    if (!ways.includes(via)) {
      throw new KexecError(`there is no way named '${via}'`, {
        reason: 'invalid-argument',
        hint: `The ways are ${ways.join(', ')}.`,
        refused: true,
      })
    }
    const summary = init.name === 'unknown' ? 'the init system is unknown' : `${init.title} is not supported`
    throw unsupported(summary, WITHOUT, init.evidence)
  }
  if (initSystem !== direct && init.initSystem !== initSystem)
    throw unsupported(`the init system is ${init.title}, not ${initSystem.title}`, WITHOUT, init.evidence)
  const { proven, obstacles, remedy, steps, evidence, hook } = assessWay(system, initSystem)
  const reachesFirmware = initSystem.reachesFirmware ?? hook !== null
  if (proven) return { initSystem, reachesFirmware, via: initSystem.name, init: init.name, steps }
  const summary = `${initSystem.title} would not reboot into the new kernel: ${obstacles.map(({ text }) => text).join('; ')}`
  throw unsupported(summary, remedy ?? WITHOUT, [...init.evidence, ...evidence])
}

function noFirmware({ title }: InitSystem): KexecError {
  const summary = `no kernel is loaded, and ${title} would not reboot through the firmware`
  return unsupported(summary, `Load a kernel first, or reboot with the command of ${title}.`, [])
}

const WITHOUT =
  '`linux-kexec reboot --via direct` ends all processes, unmounts and starts the kernel without stop scripts.'

function unsupported(summary: string, hint: string, evidence: KexecError['evidence']): KexecError {
  return new KexecError(summary, { reason: 'unsupported-init', hint, evidence, refused: true })
}
