import { writeFileSync } from 'node:fs'
import { errnoName, KexecError } from '../errors.ts'
import { status } from '../system/kexec-state.ts'
import { System } from '../system/system.ts'
import { formatBytes } from '../text.ts'

/** Where the size is read and written; newer kernels have both. */
const FILES = ['/sys/kernel/kexec_crash_size', '/sys/kernel/kexec/crash_size']

/** The effect of giving memory back. */
export interface CrashMemoryChange {
  /** Bytes reserved now. */
  readonly before: number
  /** Bytes that stay reserved, in whole pages. */
  readonly after: number
}

const PAGE = 4096

/**
 * Predicts the effect of giving memory back, and refuses where the kernel would (crash_shrink_memory of
 * kernel/crash_core.c): it only ever shrinks, and not while a crash kernel is loaded.
 * @param size bytes that are to stay reserved
 * @throws KexecError 'no-kexec-support', 'no-crash-memory', 'busy', 'invalid-argument'
 */
export function planShrinking(size: number, system: System = new System()): CrashMemoryChange {
  const { crashSize: before, crashLoaded } = status(system)
  if (before === null) throw refusal('no-kexec-support', 'the running kernel does not support crash kernels')
  const evidence = [{ source: FILES[0] as string, value: String(before) }]
  if (before === 0) {
    throw refusal('no-crash-memory', 'no memory is reserved for a crash kernel', {
      hint: 'There is nothing to give back. `linux-kexec plan --panic` shows how to reserve some.',
      evidence,
    })
  }
  const after = Math.ceil(size / PAGE) * PAGE
  if (after > before) {
    throw refusal(
      'invalid-argument',
      `${formatBytes(before)} are reserved, and the running kernel cannot reserve more`,
      {
        hint: 'It can only give memory back. Set a larger crashkernel= in the boot loader, and boot again.',
        evidence,
      },
    )
  }
  if (crashLoaded && after < before) {
    throw refusal('busy', 'a crash kernel is loaded in that memory', {
      hint: 'Run `linux-kexec unload --panic`, then this command again, then load the crash kernel again.',
      evidence: [{ source: '/sys/kernel/kexec_crash_loaded', value: '1' }],
    })
  }
  return { before, after }
}

/**
 * Gives back memory that was reserved for a crash kernel. It cannot be reserved again until the next boot.
 * @param size bytes that are to stay reserved; 0 gives all back
 * @returns the size before and after
 * @throws KexecError as `planShrinking`, or with the kernel's own answer
 */
export function shrinkReservation(size: number): CrashMemoryChange {
  const system = new System()
  const { before, after } = planShrinking(size, system)
  if (after === before) return { before, after }
  const file = FILES.find((path) => system.exists(path)) as string
  try {
    writeFileSync(file, String(after))
  } catch (error) {
    throw failure(file, (error as NodeJS.ErrnoException).errno ?? 0)
  }
  return { before, after: status(system).crashSize ?? after }
}

function failure(path: string, errno: number): KexecError {
  const name = errnoName(errno)
  const details = { errno, syscall: 'write', path }
  if (name === 'EACCES' || name === 'EPERM')
    return new KexecError('only root may shrink the reserved memory', {
      ...details,
      reason: 'no-capability',
      hint: 'Run it as root.',
    })
  if (name === 'EBUSY')
    return new KexecError('a load is under way', { ...details, reason: 'busy', hint: 'Try again when it has ended.' })
  return new KexecError(`the kernel refused with ${name}`, { ...details, reason: 'kernel-refused' })
}

function refusal(
  reason: 'no-kexec-support' | 'no-crash-memory' | 'busy' | 'invalid-argument',
  summary: string,
  more: Pick<KexecError, 'evidence'> & { readonly hint?: string } = { evidence: [] },
): KexecError {
  return new KexecError(summary, { reason, ...more, refused: true })
}
