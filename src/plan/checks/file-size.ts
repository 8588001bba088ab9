import { KexecError } from '../../errors.ts'
import { formatBytes } from '../../text.ts'
import type { RunningMachine } from '../context/running-machine.ts'
import { type Remark, remarksOn } from '../model/remark.ts'

/** KEXEC_FILE_SIZE_MAX of kernel/kexec_file.c, since Linux 6.0; before, INT_MAX (fs/kernel_read_file.c). */
const MOST = 4 * 1024 ** 3
const MOST_BEFORE_6_0 = 2 ** 31 - 1

/** A file that the syscall reads from a descriptor, and its name in sentences. */
export interface ReadFile {
  /** Its path, or the paths of the joined files. */
  readonly path: string
  readonly size: number
  readonly what: 'kernel' | 'initrd'
}

/**
 * Refuses a kernel or an initrd larger than kexec_file_load reads, even where the memory would do. No architecture has
 * a lower limit for initrds of its own: an x86 kernel that could not reach them above 4 GiB is not taken at all, and
 * the window of arm64 has 32 GiB.
 */
export function checkFileSize({ series }: RunningMachine, { path, size, what }: ReadFile): Remark[] {
  const { warning, refusal } = remarksOn(what)
  if (size > MOST) {
    return [
      refusal(
        new KexecError(`the ${what} has ${formatBytes(size)}, and kexec_file_load reads at most ${formatBytes(MOST)}`, {
          reason: what === 'initrd' ? 'initrd-too-large' : 'not-a-kernel',
          path,
          code: 'EFBIG',
          hint: what === 'initrd' ? 'Make a smaller initrd, and mount the rest later.' : 'Check the path.',
          evidence: [{ source: path, value: `${size} bytes` }],
          refused: true,
        }),
      ),
    ]
  }
  if (size <= MOST_BEFORE_6_0 || series === null || series >= 6000) return []
  const most = formatBytes(MOST_BEFORE_6_0 + 1)
  return [
    warning(
      'large-file',
      `the ${what} has ${formatBytes(size)}: Linux before 6.0 reads at most ${most} and answers EFBIG`,
    ),
  ]
}
