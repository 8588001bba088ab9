import { posix } from 'node:path'
import { KexecError } from '../errors.ts'
import { detectInit } from '../handover/detect.ts'
import { applyChanges } from '../hooks/apply-changes.ts'
import { examineHook, type HookChange, type HookState } from '../hooks/hook-plan.ts'
import { locateProgram, type Program } from '../program.ts'
import { System } from '../system/system.ts'
import { busybox } from './busybox.ts'
import { openrc } from './openrc.ts'
import { runit } from './runit.ts'
import {
  type DescribeService,
  type ServiceKind,
  type ServiceName,
  serviceKinds,
  serviceNames,
  titles,
} from './service.ts'
import { systemd } from './systemd.ts'
import { sysvinit } from './sysvinit.ts'

const describe: Readonly<Record<ServiceKind, DescribeService>> = {
  systemd,
  openrc,
  sysvinit,
  runit,
  busybox,
}

export interface ServiceRequest {
  /** The running machine by default, or a directory with a root file system. */
  readonly system?: System
  /** Default: that of the running init system, or of the one installed in a directory. */
  readonly kind?: ServiceKind
  /** Report the changes without making them. */
  readonly dryRun?: boolean
}

export interface ServiceInstallation extends ServiceRequest {
  /** The services to start at boot, or stop at shutdown; enabled ones stay enabled. Default: none. */
  readonly enable?: readonly ServiceName[]
}

/** The state of our service on a machine. Plain data. */
export interface ServiceStanding {
  readonly name: ServiceName
  readonly title: string
  readonly state: HookState
  readonly enabled: boolean
  readonly paths: readonly string[]
}

/** Stands in where the program is not found, so that installed services can still be shown and removed. */
const NO_PROGRAM: Program = { node: '/usr/bin/node', command: '/usr/bin/linux-kexec' }

/**
 * Places our services, enabled only on request. Existing ones are left alone.
 * @returns the changes, in the order they are made
 * @throws KexecError 'unsupported-init' where the kind is unknown or a foreign file is in the way; 'io'
 */
export function installServices(options: ServiceInstallation = {}): readonly HookChange[] {
  const { system = new System(), enable = [], dryRun = false } = options
  const kind = options.kind ?? kindOf(system)
  const program = locateProgram(system)
  if (program === undefined)
    throw refusal('the services call Node and linux-kexec, which are not installed here', 'Install linux-kexec there.')
  const parts = serviceNames.flatMap((name) => {
    const { files, enabling, refusal, unavailable } = describe[kind](name, program, system)
    if (refusal !== undefined) throw refusal
    if (unavailable !== undefined && enable.includes(name)) throw unavailable
    return [...files, ...(enable.includes(name) ? enabling : [])]
  })
  // Services may share a part, which is placed once.
  const once = [...new Map(parts.map((part) => [part.path, part])).values()]
  const { foreign, toInstall } = examineHook(system, { parts: once })
  if (foreign[0] !== undefined)
    throw refusal(
      `${foreign[0]} does not belong to linux-kexec, and is left unchanged`,
      'Move it away, then try again.',
    )
  return applyChanges(system, toInstall, dryRun)
}

/**
 * Removes our services, of every kind, enabled or not.
 * @returns the changes, in the order they are made; empty where nothing is installed
 * @throws KexecError 'io'
 */
export function removeServices({
  system = new System(),
  dryRun = false,
  kind,
}: ServiceRequest = {}): readonly HookChange[] {
  const program = locateProgram(system) ?? NO_PROGRAM
  const changes = new Map<string, HookChange>()
  for (const each of kind === undefined ? serviceKinds : [kind]) {
    for (const name of serviceNames) {
      const { files, enabling } = describe[each](name, program, system)
      for (const change of examineHook(system, { parts: [...files, ...enabling] }).toRemove)
        changes.set(change.path, change)
    }
  }
  return applyChanges(system, [...changes.values()], dryRun)
}

/** The state of our services. Reads only. @throws KexecError 'unsupported-init' where the kind is unknown */
export function showServices(options: Omit<ServiceRequest, 'dryRun'> = {}): {
  kind: ServiceKind
  services: ServiceStanding[]
} {
  const { system = new System() } = options
  const kind = options.kind ?? kindOf(system)
  const program = locateProgram(system) ?? NO_PROGRAM
  const services = serviceNames.flatMap((name) => {
    const { files, enabling } = describe[kind](name, program, system)
    if (files.length === 0) return []
    return {
      name,
      title: titles[name],
      state: examineHook(system, { parts: files }).state,
      enabled: examineHook(system, { parts: enabling }).state === 'installed',
      paths: files.map(({ path }) => path),
    }
  })
  return { kind, services }
}

/** The running PID 1 counts; without one, the installed init system. */
function kindOf(system: System): ServiceKind {
  const { name, title } = detectInit(system)
  if (name === 'systemd') return 'systemd'
  if (/openrc/i.test(name)) return 'openrc'
  if (name === 'sysvinit' || name === 'runit' || name === 'busybox') return name
  if (name === 'unknown') {
    const init = installedInit(system)
    if (init !== undefined) return init
    const has = (...paths: readonly string[]) => paths.some((path) => system.stat(path) !== undefined)
    if (has('/usr/lib/systemd/systemd', '/lib/systemd/systemd')) return 'systemd'
    if (has('/sbin/openrc-run', '/usr/sbin/openrc-run')) return 'openrc'
    if (has('/etc/rc6.d')) return 'sysvinit'
  }
  throw refusal(
    name === 'unknown' ? 'the init system is unknown' : `there are no services for the init system ${title}`,
    'Choose one with --systemd, --openrc, --sysvinit, --runit or --busybox.',
  )
}

/** As the program that the kernel starts names it: /sbin/init is a link to it. */
function installedInit(system: System): 'runit' | 'busybox' | undefined {
  try {
    const name = posix.basename(system.resolve('/sbin/init'))
    return name === 'runit-init' ? 'runit' : name === 'busybox' ? 'busybox' : undefined
  } catch {
    return undefined
  }
}

function refusal(summary: string, hint: string): KexecError {
  return new KexecError(summary, { reason: 'unsupported-init', hint, refused: true })
}
