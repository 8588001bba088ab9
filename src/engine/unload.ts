import { Lock } from '../state/lock.ts'
import { forgetLoad } from '../state/remember.ts'
import { System } from '../system/system.ts'
import { makeCallSync } from './call.ts'
import { kexecFileUnload } from './kexec-file-load.ts'
import { kexecUnload } from './kexec-load.ts'

/**
 * Unloads the loaded image, or with `panic` the crash kernel, no matter which call loaded it. It is not an error when
 * none is loaded.
 * @throws KexecError also 'busy' while another linux-kexec is at work
 */
export function unload({ panic = false }: { panic?: boolean } = {}): void {
  const lock = Lock.takeSync(new System(), 'unload')
  try {
    unloadLocked(panic)
  } finally {
    lock.release()
  }
}

/** As `unload`, for a caller that holds the lock. */
export function unloadLocked(panic: boolean): void {
  // Either call unloads an image of both; a kernel may have only one of them.
  makeCallSync(kexecFileUnload(panic), kexecUnload(panic))
  forgetLoad(panic ? 'crash' : 'kernel')
}
