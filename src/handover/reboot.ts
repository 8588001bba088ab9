import { heed } from '../abort.ts'
import { KexecError } from '../errors.ts'
import { readPrivileges, requireCapability } from '../policy/process/privileges.ts'
import { Lock } from '../state/lock.ts'
import { status } from '../system/kexec-state.ts'
import { System } from '../system/system.ts'
import { foreignText } from '../text.ts'
import { assessWay } from './assess.ts'
import type { HandoverContext, InitSystem } from './contract/init-system.ts'
import { detectInit } from './detect.ts'
import { direct } from './init-systems/direct.ts'
import { initSystems, ways } from './init-systems/served.ts'
import { cannotTell, requireReadyToExecute } from './jump/execute.ts'
import { checkImage } from './precautions/image-check.ts'
import { checkInhibitors } from './precautions/inhibitors.ts'
import { loggedIn, tellUsers } from './precautions/users.ts'
import { cancelScheduled, type ScheduledReboot } from './schedule/schedule.ts'
import { scheduleOf, waitTelling } from './schedule/scheduled-reboot.ts'

const DEADLINE = 90_000

/** The most logins that are named. */
const MAX_TOLD = 20

export interface RebootOptions {
  /** 'auto' takes the init system that runs; 'direct' does its work without it. */
  readonly via?: string
  /** Say what would happen, and do nothing. */
  readonly dryRun?: boolean
  /** Heeded until the first step: what was begun is not taken back. */
  readonly signal?: AbortSignal
  /** How long to wait for processes to end (direct) or for the init system to begin (others), milliseconds; default 90,000. */
  readonly deadline?: number
  /** Called with one sentence per step. */
  readonly report?: (step: string) => void
  /** Start what is loaded although its files have changed since, or someone else has loaded it over ours. */
  readonly staleOk?: boolean
  /** Reboot although a program asks for no shutdown (systemd-inhibit). */
  readonly ignoreInhibitors?: boolean
  /** Written to the terminals of those that are logged in: at once, some minutes and a minute before, and when the time has come. */
  readonly message?: string
  /** When to begin; everything is checked now, and again then. `cancelReboot` calls it off. */
  readonly at?: Date
  /** How long to wait before, milliseconds. */
  readonly delay?: number
  /** Reboot through the firmware when nothing is loaded, and let it happen when the loaded kernel cannot be started. */
  readonly allowFirmwareReboot?: boolean
}

/** The way a reboot takes, and what tells so. */
export interface Handover {
  readonly via: string
  readonly init: string
  readonly steps: readonly string[]
  /** What to know of it, one sentence each. */
  readonly warnings: readonly string[]
}

/**
 * Stops the services, unmounts, and starts the loaded kernel; never a firmware reboot, unless that is allowed.
 * @returns the way it takes: at once with `dryRun`; else only where the init system ends this process later
 * @throws KexecError 'nothing-loaded', 'image-stale', 'image-replaced', 'inhibited', 'no-capability', 'not-init-pid-namespace',
 *   'unsupported-init', 'handover-failed', 'not-permitted', 'not-readable', 'busy', 'aborted', 'invalid-argument'
 */
export async function reboot(options: RebootOptions = {}): Promise<Handover> {
  heed(options.signal)
  const system = new System()
  const schedule = scheduleOf(options)
  if (options.dryRun) return examine(system, options).handover
  const report = options.report ?? (() => {})
  const told = new Set<string>()
  const tell = ({ handover }: Examined) => {
    handover.warnings.filter((warning) => !told.has(warning)).forEach(report)
    for (const warning of handover.warnings) told.add(warning)
    throwIfAborted(options.signal)
  }
  // What would be refused later is refused now.
  if (schedule !== undefined) tell(examine(system, options))
  const lock = await (schedule === undefined
    ? Lock.take(system, 'reboot', { signal: options.signal })
    : waitTelling(system, schedule, options, report))
  try {
    // However long it was: what was true before need not be true now.
    const examined = examine(system, options)
    tell(examined)
    await begin(system, examined, options, { report, begun: () => lock.release() })
    return examined.handover
  } finally {
    lock.release()
  }
}

async function begin(
  system: System,
  { initSystem }: Examined,
  { message, deadline = DEADLINE, allowFirmwareReboot = false, signal }: RebootOptions,
  { report, begun }: Required<Pick<HandoverContext, 'report' | 'begun'>>,
): Promise<void> {
  if (message !== undefined) tellUsers(system, message)
  const context = { system, report, begun, deadline, allowFirmwareReboot }
  await initSystem.handOver(signal === undefined ? context : { ...context, signal })
}

/** A reboot that a process waits with, as `cancelReboot` calls it off; undefined when there is none. @throws KexecError 'no-capability', 'io', 'busy' when it has begun */
export function cancelReboot(system: System = new System()): ScheduledReboot | undefined {
  requireCapability(readPrivileges(system), 'calling off a reboot')
  return cancelScheduled(system)
}

interface Examined {
  readonly initSystem: InitSystem
  readonly handover: Handover
}

/** Everything that a reboot depends on, as it is now. @throws KexecError when it would not end in the kernel that is meant */
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

/** @returns whether a kernel is loaded, which it need not be where the firmware will do. @throws KexecError */
function requireLoaded(allowFirmwareReboot: boolean): boolean {
  try {
    if (requireReadyToExecute()) return true
    if (allowFirmwareReboot) return false
    throw cannotTell()
  } catch (error) {
    if (allowFirmwareReboot && error instanceof KexecError && error.reason === 'nothing-loaded') return false
    throw error
  }
}

function firmwareWarning(): string {
  if (status().loaded === false) return 'No kernel is loaded: this is a reboot through the firmware.'
  return 'Whether a kernel is loaded cannot be told: this may be a reboot through the firmware.'
}

function loggedInUsers(system: System, message: string | undefined): string[] {
  const logins = loggedIn(system)
  if (logins.length === 0) return []
  const told = message === undefined ? '; --message tells them' : ''
  const names = logins.slice(0, MAX_TOLD).map(({ user, terminal }) => `${foreignText(user)} (${terminal})`)
  const more = logins.length > MAX_TOLD ? `, and ${logins.length - MAX_TOLD} more` : ''
  return [`Logged in: ${names.join(', ')}${more}${told}.`]
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return
  throw new KexecError('interrupted before anything was stopped', { reason: 'aborted', cause: signal.reason })
}

type Way = Omit<Handover, 'warnings'> & { readonly initSystem: InitSystem; readonly reachesFirmware: boolean }

/** The way that a call names or the machine takes. @throws KexecError when it would not end in the new kernel */
function chooseWay(system: System, via: string): Way {
  const init = detectInit(system)
  const initSystem = via === 'auto' ? init.initSystem : initSystems.find(({ name }) => name === via)
  if (initSystem === undefined) {
    if (!ways.includes(via)) {
      throw new KexecError(`there is no way called '${via}'`, {
        reason: 'invalid-argument',
        hint: `The ways are ${ways.join(', ')}.`,
        refused: true,
      })
    }
    const what = init.name === 'unknown' ? 'one that is not known' : `${init.title}, which is not served`
    throw unsupported(`the init system here is ${what}`, WITHOUT, init.evidence)
  }
  if (initSystem !== direct && init.initSystem !== initSystem)
    throw unsupported(`${initSystem.title} is not the init system here: it is ${init.title}`, WITHOUT, init.evidence)
  const { proven, obstacles, remedy, steps, evidence, hook } = assessWay(system, initSystem)
  const reachesFirmware = initSystem.reachesFirmware ?? hook !== null
  if (proven) return { initSystem, reachesFirmware, via: initSystem.name, init: init.name, steps }
  const summary = `${initSystem.title} would not end in the new kernel: ${obstacles.join('; ')}`
  throw unsupported(summary, remedy ?? WITHOUT, [...init.evidence, ...evidence])
}

function noFirmware({ title }: InitSystem): KexecError {
  const summary = `no kernel is loaded, and ${title} does not end in a reboot through the firmware then`
  return unsupported(summary, `Load one first, or reboot as ${title} does it by itself.`, [])
}

const WITHOUT =
  'linux-kexec reboot --via direct ends all processes, unmounts and starts the kernel by itself, without running stop scripts.'

function unsupported(summary: string, hint: string, evidence: KexecError['evidence']): KexecError {
  return new KexecError(summary, { reason: 'unsupported-init', hint, evidence, refused: true })
}
