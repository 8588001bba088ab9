import type { Evidence } from '../../errors.ts'
import { KexecError } from '../../errors.ts'
import { readProcessStatus } from '../../system/process-status.ts'
import type { System } from '../../system/system.ts'
import { noCapability, otherPidNamespace, otherUserNamespace } from '../causes/causes.ts'

/** The user ids of the outer namespace behind its own: absent in a kernel without user namespaces. */
export const USER_IDS = '/proc/self/uid_map'

/** Numbers of capabilities: include/uapi/linux/capability.h */
export const CAPABILITIES = { CAP_KILL: 5n, CAP_SYS_ADMIN: 21n, CAP_SYS_BOOT: 22n } as const

/** The initial pid namespace has a fixed inode number: PROC_PID_INIT_INO, include/linux/proc_ns.h. */
const INITIAL_PID_NAMESPACE = 'pid:[4026531836]'
/** PROC_USER_INIT_INO. A child namespace may map all ids like the initial one, so the map alone is not conclusive. */
const INITIAL_USER_NAMESPACE = 'user:[4026531837]'
const WHOLE_MAP = '0 0 4294967295'

/** Whether this process may ask the kernel to load an image and to kexec; each fact with its source. */
export interface Privileges {
  /** CAP_SYS_BOOT is in the effective set. */
  readonly capable: boolean
  /** The capability counts only in the initial user namespace (kexec_load_permitted, kernel/kexec_core.c). */
  readonly initialUserNamespace: boolean
  /** reboot(2) in a child pid namespace ends that namespace instead (reboot_pid_ns, kernel/pid_namespace.c). */
  readonly initialPidNamespace: boolean
  /** Effective user id; null when it cannot be read. */
  readonly uid: number | null
  /** The seccomp mode of this process: 0 none, 1 strict, 2 filter. */
  readonly seccomp: number
  readonly evidence: readonly Evidence[]
}

/**
 * Reads the privileges of this process. Unreadable facts count as granted: then the kernel is asked and its answer
 * diagnosed.
 */
export function readPrivileges(system: System): Privileges {
  const status = readProcessStatus(system)
  const capabilities = effectiveSet(status)
  const uid = /^\d+\s+(\d+)/.exec(status('Uid') ?? '')?.[1]
  const seccomp = /^\d+/.exec(status('Seccomp') ?? '')?.[0]
  const uidMap = system.readText(USER_IDS)?.trim().replace(/\s+/g, ' ')
  const pidNamespace = system.readLink('/proc/self/ns/pid')
  const userNamespace = system.readLink('/proc/self/ns/user')
  const evidence: Evidence[] = []
  const add = (source: string, value: string | undefined) => {
    if (value !== undefined) evidence.push({ source, value })
  }
  add('/proc/self/status CapEff', capabilities)
  add(USER_IDS, uidMap)
  add('/proc/self/ns/user', userNamespace)
  add('/proc/self/ns/pid', pidNamespace)
  if (seccomp !== '0') add('/proc/self/status Seccomp', seccomp)
  return {
    capable: capabilities === undefined || has(capabilities, CAPABILITIES.CAP_SYS_BOOT),
    initialUserNamespace:
      (userNamespace === undefined || userNamespace === INITIAL_USER_NAMESPACE) &&
      (uidMap === undefined || uidMap === WHOLE_MAP),
    initialPidNamespace: pidNamespace === undefined || pidNamespace === INITIAL_PID_NAMESPACE,
    uid: uid === undefined ? null : Number(uid),
    seccomp: Number(seccomp ?? 0),
    evidence,
  }
}

/** The effective capabilities of this process; none where they cannot be read. */
export function readCapabilities(system: System): { has(capability: bigint): boolean; evidence: readonly Evidence[] } {
  const set = effectiveSet(readProcessStatus(system))
  return {
    has: (capability) => set !== undefined && has(set, capability),
    evidence: [{ source: '/proc/self/status CapEff', value: set ?? 'unreadable' }],
  }
}

function effectiveSet(status: ReturnType<typeof readProcessStatus>): string | undefined {
  return /^[0-9a-f]{1,16}$/.exec(status('CapEff') ?? '')?.[0]
}

function has(set: string, capability: bigint): boolean {
  return ((BigInt(`0x${set}`) >> capability) & 1n) === 1n
}

/**
 * Refuses actions that need CAP_SYS_BOOT when it is missing. @throws KexecError 'no-capability' or
 * 'not-init-user-namespace'.
 */
export function requireCapability(
  { capable, initialUserNamespace, uid, evidence }: Privileges,
  operation: string,
): void {
  const [cause] = [...(capable ? [] : [noCapability(uid)]), ...(initialUserNamespace ? [] : [otherUserNamespace])]
  if (cause === undefined) return
  const { reason, code, summary, remedy } = cause
  throw new KexecError(`${operation} is not permitted: ${summary}`, {
    reason,
    code,
    hint: `${remedy} list, inspect, plan and status work without.`,
    evidence,
    refused: true,
  })
}

/** Refuses actions that end in reboot(2) inside a child pid namespace. @throws KexecError 'not-init-pid-namespace'. */
export function requireInitialPidNamespace({ initialPidNamespace, evidence }: Privileges): void {
  if (initialPidNamespace) return
  const { reason, code, summary, remedy } = otherPidNamespace
  throw new KexecError(summary, { reason, code, hint: remedy, evidence, refused: true })
}
