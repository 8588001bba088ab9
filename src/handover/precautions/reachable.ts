import type { Program } from '../../program.ts'
import type { System } from '../../system/system.ts'
import { type Mount, mounts } from '../jump/mounts.ts'

/**
 * The obstacles to running our program as the last step of a shutdown, when only the root file system is left.
 * @returns one clause each; empty too where the mounts cannot be read, as in a directory without a running kernel
 */
export function unreachableAtTheEnd(system: System, program: Program): string[] {
  const all = mounts(system)
  const away = (path: string) => {
    const mount = mountOf(all, path)
    return mount === undefined || mount.target === '/' ? undefined : mount.target
  }
  return [program.node, program.command].flatMap((path) => {
    const target = away(path)
    return target === undefined ? [] : [`${path} lies on ${target}, which is unmounted before the end`]
  })
}

/** The mount that a path lies on: of those above it the deepest, and of two on one directory the later. */
function mountOf(all: readonly Mount[], path: string): Mount | undefined {
  let found: Mount | undefined
  for (const mount of all) {
    const holds = mount.target === '/' || path === mount.target || path.startsWith(`${mount.target}/`)
    if (holds && (found === undefined || mount.target.length >= found.target.length)) found = mount
  }
  return found
}
