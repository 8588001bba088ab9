import type { Reason } from '../errors.ts'
import type { ImaState } from './ima/state.ts'
import type { FirmwareKeys } from './keys/firmware-keys.ts'
import type { KernelKeyrings } from './keys/keyrings.ts'
import type { LoadObstacle } from './obstacles.ts'
import type { ProcessConfinement } from './process/confinement.ts'
import type { SignatureCheck } from './signature-check.ts'
import type { LockdownState } from './survey/lockdown.ts'
import type { PolicyReason, UnreadFact } from './survey/survey.ts'

/**
 * The policy for loading a kernel:
 * - 'unsupported': the running kernel has no such system call
 * - 'disabled': every load is refused, for any kernel
 * - 'unchecked': signatures are not checked
 * - 'permissive': signatures are checked, but a wrong one is accepted
 * - 'enforced': only a kernel with a trusted signature is taken
 * - 'unknown': too little could be read
 */
export type PolicyMode = 'unsupported' | 'disabled' | 'unchecked' | 'permissive' | 'enforced' | 'unknown'

/** The policy of one of the two system calls. */
export interface CallPolicy {
  readonly mode: PolicyMode
  /** The reason, as one sentence. */
  readonly why: string
  /** Where the mode is 'unsupported' or 'disabled': the reason of the error, and its errno. */
  readonly reason: Reason | null
  readonly code: string | null
  /** How to change that at a reboot: the source that sets the switch, and its place. Null where there is no switch. */
  readonly remedy: string | null
}

export interface LoadLimits {
  /** kernel.kexec_load_disabled; null when it cannot be read. */
  readonly disabled: boolean | null
  /** Loads still allowed; null when unlimited, or where the kernel (before 6.3) has no limits. */
  readonly reboot: number | null
  readonly panic: number | null
}

/** All facts that decide whether the running kernel loads a kernel. Plain data. */
export interface KexecPolicy {
  /** The policy of kexec_file_load, the call that `load` makes. */
  readonly mode: PolicyMode
  readonly kernel: { readonly release: string | null; readonly architecture: string | null }
  readonly kexecFileLoad: CallPolicy
  readonly kexecLoad: CallPolicy
  readonly lockdown: LockdownState | null
  readonly secureBoot: boolean | null
  readonly setupMode: boolean | null
  readonly signature: SignatureCheck
  readonly ima: ImaState
  readonly limits: LoadLimits
  /** Whether this process has CAP_SYS_BOOT; null when it cannot be read. */
  readonly capability: boolean | null
  /** Whether this process is in the initial namespaces; null when it cannot be read. */
  readonly namespaces: { readonly user: boolean | null; readonly pid: boolean | null }
  /** Seccomp mode of this process: 0 none, 1 strict, 2 filter; null when it cannot be read. */
  readonly seccomp: number | null
  /** Effective user id of this process; null when it cannot be read. */
  readonly uid: number | null
  /** Security modules that may refuse a load by rules that they do not show. */
  readonly confinement: readonly ProcessConfinement[]
  /** 'docker', 'podman', …; null when there is no trace of a container runtime. */
  readonly container: string | null
  /** 'xen-dom0', 'xen-hvm', …; null without Xen. */
  readonly hypervisor: string | null
  /** Loads that firmware, processor or hypervisor make impossible. */
  readonly obstacles: readonly LoadObstacle[]
  /** Whether the machine was booted through EFI, without which no keys can be enrolled; null when unknown. */
  readonly efi: boolean | null
  readonly keyrings: KernelKeyrings
  readonly firmware: FirmwareKeys
  /** Every fact with the file that shows it. */
  readonly reasons: readonly PolicyReason[]
  /** The files that could not be read, and the facts that they would add. */
  readonly unread: readonly UnreadFact[]
}
