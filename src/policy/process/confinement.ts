import type { Survey } from '../survey/survey.ts'

/** The active modules, in the order in which the kernel asks them. */
export const MODULES = '/sys/kernel/security/lsm'

const LABEL = '/proc/self/attr/current'
const APPARMOR_LABEL = '/proc/self/attr/apparmor/current'
const SELINUX_ENFORCES = '/sys/fs/selinux/enforce'
const LOADPIN_ENFORCES = '/proc/sys/kernel/loadpin/enforce'
const IPE = '/sys/kernel/security/ipe'

/** A security module that may refuse a load by a policy that is not read here. */
export interface ProcessConfinement {
  readonly module: 'apparmor' | 'selinux' | 'loadpin' | 'ipe' | 'unknown'
  /** The profile or context that confines this process; null where there is no particular one. */
  readonly label: string | null
  /** Whether it concerns this process alone, or every process. */
  readonly scope: 'process' | 'machine'
  /** The missing knowledge, to complete "unknown: …". */
  readonly missing: string
}

/**
 * Finds modules that may refuse a load besides the kernel's own rules. Landlock is not among them: it restricts paths,
 * network and signals, but neither the system calls that load (security/landlock has no hook for them) nor open
 * descriptors. Files that it hides cannot be opened. Smack, Yama and SafeSetID are not among them either; BPF programs
 * cannot be seen.
 */
export function readConfinement(survey: Survey): ProcessConfinement[] {
  const modules = survey.system.readText(MODULES)?.trim().split(',')
  return [...ofProcess(survey, modules), ...loadPin(survey, modules), ...ipe(survey, modules)]
}

function ofProcess(survey: Survey, modules: readonly string[] | undefined): ProcessConfinement[] {
  // Since 5.8 AppArmor has a file of its own, so that it can be stacked on another module.
  const own = readLabel(survey, APPARMOR_LABEL)
  const label = own === null ? readLabel(survey, LABEL) : own
  const path = own === null ? LABEL : APPARMOR_LABEL
  if (label === undefined) {
    const missing = `which security module confines this process (${path}, which cannot be read)`
    return [{ module: 'unknown', label: null, scope: 'process', missing }]
  }
  if (label === null || label === '') return []
  const isContext = /^[^:\s]+:[^:\s]+:[^:\s]+(:|$)/.test(label)
  if (own === null && isContext && modules?.includes('apparmor') !== true) return selinux(survey, label)
  if (own === null && modules !== undefined && !modules.includes('apparmor')) return []
  return apparmor(survey, label, path)
}

/**
 * Null where there is none: without a module that has labels, reading is EINVAL. Undefined where it may not be read.
 */
function readLabel(survey: Survey, path: string): string | null | undefined {
  try {
    return survey.system.readHead(path, 4096).toString('utf8').replaceAll('\0', '').trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EINVAL' || code === 'ELOOP') return null
    survey.miss(path, code ?? 'unreadable', 'which security module confines this process')
    return undefined
  }
}

/** 'unconfined', or a profile with its mode: aa_getprocattr of security/apparmor/procattr.c. */
function apparmor(survey: Survey, label: string, path: string): ProcessConfinement[] {
  const [, profile = label, mode] = /^(.*) \((\w+)\)$/.exec(label) ?? []
  if (label === 'unconfined' || mode === 'unconfined' || mode === 'complain') return []
  survey.note('process', 'AppArmor confines this process; what its profile refuses is not read', path, label)
  const missing = `what the AppArmor profile ${profile} on this process refuses`
  return [{ module: 'apparmor', label: profile, scope: 'process', missing }]
}

/** Types that the usual policies allow everything. */
const free = new Set(['unconfined_t', 'unconfined_service_t', 'kernel_t'])

function selinux(survey: Survey, label: string): ProcessConfinement[] {
  if (survey.system.readText(SELINUX_ENFORCES)?.trim() === '0') return []
  if (free.has(label.split(':')[2] as string)) return []
  survey.note('process', 'SELinux confines this process; what its policy refuses is not read', LABEL, label)
  const missing = `what SELinux refuses to this process (${label})`
  return [{ module: 'selinux', label, scope: 'process', missing }]
}

/** LoadPin takes kernels from one file system only, and none from memory: security/loadpin/loadpin.c. */
function loadPin({ system }: Survey, modules: readonly string[] | undefined): ProcessConfinement[] {
  if (modules?.includes('loadpin') !== true || system.readText(LOADPIN_ENFORCES)?.trim() === '0') return []
  const missing = 'whether the kernel lies where LoadPin takes files from'
  return [{ module: 'loadpin', label: null, scope: 'machine', missing }]
}

/** IPE's policies have rules for KEXEC_IMAGE and KEXEC_INITRAMFS: Documentation/admin-guide/LSM/ipe.rst. */
function ipe({ system }: Survey, modules: readonly string[] | undefined): ProcessConfinement[] {
  if (modules?.includes('ipe') !== true || system.readText(`${IPE}/enforce`)?.trim() === '0') return []
  const active = system
    .list(`${IPE}/policies`)
    .find((name) => system.readText(`${IPE}/policies/${name}/active`)?.trim() === '1')
  if (active === undefined) return []
  return [
    { module: 'ipe', label: active, scope: 'machine', missing: `what the policy ${active} of IPE says to this kernel` },
  ]
}
