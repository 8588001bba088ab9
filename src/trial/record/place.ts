import { posix } from 'node:path'
import { isOwn, StateDirectory } from '../../state/state-directory.ts'
import type { System } from '../../system/system.ts'

/** Where the records of trials lie, unless the machine is set up otherwise. */
export const TRIAL_DIRECTORY = '/var/lib/linux-kexec'

/**
 * Names another directory, for a machine whose /var does not outlive a reset: one line with an absolute path. It is a
 * file and not an environment variable, because the load, the service that confirms and the user who asks must all read
 * the same record.
 */
export const PLACE_FILE = '/etc/linux-kexec/state-directory'

const OTHERS_WRITE = 0o022

/** The directory of the records. @returns in words why it is unknown, when it is; never throws */
export function trialDirectory(system: System): StateDirectory | string {
  const place = trialPlace(system)
  return 'problem' in place ? place.problem : new StateDirectory(system, place.path)
}

/** The path of that directory as seen inside the root, or in words why it is unknown. Never throws. */
export function trialPlace(system: System): { readonly path: string } | { readonly problem: string } {
  const stats = system.stat(PLACE_FILE)
  if (stats === undefined && !system.exists(PLACE_FILE)) return { path: TRIAL_DIRECTORY }
  if (stats === undefined || !stats.isFile()) return { problem: `${PLACE_FILE} is not a file that can be read` }
  if (!isOwn(stats.uid)) return { problem: `${PLACE_FILE} belongs to user ${stats.uid}` }
  if ((stats.mode & OTHERS_WRITE) !== 0) return { problem: `users other than its owner may write ${PLACE_FILE}` }
  const lines = (system.readText(PLACE_FILE) ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
  const [path] = lines
  if (lines.length !== 1 || path === undefined)
    return { problem: `${PLACE_FILE} has ${lines.length} lines instead of one` }
  if (path.startsWith('/') && posix.resolve(path) === path && path !== '/') return { path }
  return { problem: `${PLACE_FILE} does not contain an absolute path without '..' and without a slash at its end` }
}
