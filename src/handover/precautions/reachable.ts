import type { Program } from '../../program.ts'
import { mountOf, readMountTable } from '../../system/mounts/mount-table.ts'
import type { System } from '../../system/system.ts'
import type { HandoverObstacle } from '../contract/remarks.ts'

/**
 * The obstacles to running our program as the last step of a shutdown, when only the root file system is left.
 * @returns empty too where the mounts cannot be read, as in a directory without a running kernel
 */
export function unreachableAtTheEnd(system: System, program: Program): HandoverObstacle[] {
  const all = readMountTable(system) ?? []
  const away = (path: string) => {
    const mount = mountOf(all, path)
    return mount === undefined || mount.mountPoint === '/' ? undefined : mount.mountPoint
  }
  return [program.node, program.command].flatMap((path) => {
    const target = away(path)
    if (target === undefined) return []
    return [{ code: 'program-unmounted', text: `${path} lies on ${target}, which is unmounted before the end` }]
  })
}
