import { KexecError } from '../../errors.ts'
import type { System } from '../../system/system.ts'
import { formatBytes } from '../../text.ts'
import { readRunningKernel } from '../context/running-kernel.ts'
import type { Findings } from '../model/decision.ts'

/** KEXEC_FILE_SIZE_MAX of kernel/kexec_file.c, since Linux 6.0; before, INT_MAX (fs/kernel_read_file.c). */
const MOST = 4 * 1024 ** 3
const MOST_BEFORE_6_0 = 2 ** 31 - 1

/** What the syscall reads from a descriptor, and what to call it. */
export interface ReadFile {
  /** Its path, or those of what is joined. */
  readonly path: string
  readonly size: number
  readonly what: 'kernel' | 'initrd'
}

/**
 * Refuses a kernel or an initrd larger than kexec_file_load reads, whatever the memory. No architecture has a lower limit for
 * initrds of its own: an x86 kernel that could not reach them above 4 GiB is not taken at all, and the window of arm64 has 32 GiB.
 */
export function checkFileSize(system: System, { path, size, what }: ReadFile, findings: Findings): void {
  if (size > MOST) {
    findings.refuse(
      new KexecError(`the ${what} has ${formatBytes(size)}, and kexec_file_load reads at most ${formatBytes(MOST)}`, {
        reason: what === 'initrd' ? 'initrd-too-large' : 'not-a-kernel',
        path,
        code: 'EFBIG',
        hint: what === 'initrd' ? 'Make a smaller initrd, and mount the rest later.' : 'Check the path.',
        evidence: [{ source: path, value: `${size} bytes` }],
        refused: true,
      }),
    )
    return
  }
  const { series } = readRunningKernel(system)
  if (size <= MOST_BEFORE_6_0 || series === null || series >= 6000) return
  findings.warn(
    `the ${what} has ${formatBytes(size)}: Linux before 6.0 reads at most ${formatBytes(MOST_BEFORE_6_0 + 1)} and answers EFBIG`,
  )
}
