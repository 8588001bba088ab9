import type { GuestError, Lockdown, RehearsalOutcome, RehearsalPhase } from '../model/rehearsal.ts'
import type { ReportEvent } from './report-port.ts'

/**
 * The new kernel's own words for two of its outcomes: init/do_mounts.c, and init/main.c and kernel/exit.c. The kernel that loads it says
 * the same where it cannot unpack our initrd or start our program.
 */
export function panicOutcome(message: string, phase: RehearsalPhase): RehearsalOutcome {
  if (phase === 'first boot' || phase === 'load') return { kind: 'panicked', phase, message }
  if (/VFS: Unable to mount root fs/.test(message)) return { kind: 'root-not-found', message }
  if (/No working init found|Requested init .* failed|Attempted to kill init/.test(message))
    return { kind: 'init-failed', message }
  return { kind: 'panicked', phase, message }
}

/**
 * The last words of an initrd's init that gives up, by initramfs-tools (scripts/local), dracut (dracut-lib.sh, and the file that
 * it makes for its shell), mkinitcpio (init) and Alpine's mkinitfs. All of them then wait for a person.
 */
const givesUp =
  /ALERT! .{1,200} does not exist|No root device specified|Gave up waiting for (?:the )?root|dracut: FATAL: |rdsosreport\.txt|dropped into an emergency shell|emergency recovery shell launched/

/** The same, when there was a root file system and nothing to start in it. */
const findsNoInit = /No init found\. Try passing init=|doesn't have requested /

/** @param text of the console since the jump @returns undefined while the init goes on */
export function initrdOutcome(text: string): RehearsalOutcome | undefined {
  const init = findsNoInit.exec(text)
  if (init !== null) return { kind: 'init-failed', message: lineAt(text, init.index) }
  const root = givesUp.exec(text)
  return root === null ? undefined : { kind: 'root-not-found', message: lineAt(text, root.index) }
}

function lineAt(text: string, index: number): string {
  const end = text.indexOf('\n', index)
  return text.slice(text.lastIndexOf('\n', index) + 1, end === -1 ? undefined : end).trim()
}

/** The loading kernel has no lockdown, or not as one of its security modules (`lsm=`). */
export function notLockedDown(lockdown: Lockdown): RehearsalOutcome {
  const error = {
    reason: 'unsupported-platform',
    message: `the kernel that loads the plan is not locked down: it ignored lockdown=${lockdown}`,
    hint: 'Name one with CONFIG_SECURITY_LOCKDOWN_LSM, as those of distributions have, with --from.',
  }
  return { kind: 'not-loaded', error }
}

/** QEMU's words where it cannot use KVM (accel/kvm/kvm-all.c, softmmu/vl.c), or was built without it. */
const refusesAccelerator =
  /Could not access KVM kernel module|failed to initialize kvm|invalid accelerator|ioctl\(KVM_CREATE_VM\) failed|KVM is not available|CPU model 'host' requires KVM|kvm version/i

export function refusesItsAccelerator(words: string): boolean {
  return refusesAccelerator.test(words)
}

/** Of `--json`, the error that the command printed. */
export function errorOf({ status, output }: Extract<ReportEvent, { kind: 'end' }>): GuestError {
  try {
    const { error } = JSON.parse(output) as { error?: GuestError }
    if (error !== undefined) return error
  } catch {
    // It came to no document.
  }
  return { reason: 'io', message: `the command in the guest ended with status ${status}` }
}
