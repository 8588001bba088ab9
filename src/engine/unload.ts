import { errnoName } from '../errors.ts'
import { native } from '../native.ts'
import { readLoadsLeft } from '../policy/limits/switches.ts'
import { Lock } from '../state/lock.ts'
import { forgetLoad } from '../state/remember.ts'
import { System } from '../system/system.ts'
import { diagnoseLoad } from './diagnose.ts'
import { KernelLog } from './kernel-log.ts'

/** Flags: include/uapi/linux/kexec.h. */
const KEXEC_FILE_UNLOAD = 1
const KEXEC_FILE_ON_CRASH = 2
const KEXEC_ON_CRASH = 1

const live = new System()

/**
 * Unloads the image that is loaded, or with `panic` the crash kernel, whichever call loaded it. Nothing loaded is not an error.
 * @throws KexecError also 'busy' while another linux-kexec is at work
 */
export function unload({ panic = false }: { panic?: boolean } = {}): void {
  const lock = Lock.takeSync(live, 'unload')
  try {
    unloadLocked(panic)
  } finally {
    lock.release()
  }
}

/** As `unload`, for who has the lock. */
export function unloadLocked(panic: boolean): void {
  const loadsLeft = readLoadsLeft(live, panic)
  const log = new KernelLog()
  try {
    const { syscall, errno } = askToUnload(panic)
    if (errno !== 0) throw diagnoseLoad(live, { errno, syscall, panic, loadsLeft, log: log.evidence() })
  } finally {
    log.close()
  }
  forgetLoad(panic ? 'crash' : 'kernel')
}

/** Both calls unload what either has loaded; a kernel may have only one of them. */
function askToUnload(panic: boolean): { syscall: string; errno: number } {
  const errno = native().kexecFileLoadSync(-1, -1, '', KEXEC_FILE_UNLOAD | (panic ? KEXEC_FILE_ON_CRASH : 0))
  if (errnoName(errno) !== 'ENOSYS') return { syscall: 'kexec_file_load', errno }
  return { syscall: 'kexec_load', errno: native().kexecLoadSync(0, [], panic ? KEXEC_ON_CRASH : 0) }
}
