import { posix } from 'node:path'
import type { SystemFiles } from './system-files.ts'

/**
 * A path relative to the directory of a boot loader's configuration, written from the top of its file system, as
 * `volumes.locate` takes it. A path from the top stays as it is.
 * @param directory in the system's tree.
 */
export function pathFrom(directory: string, path: string, files: SystemFiles): string {
  const slashed = path.replace(/\\/g, '/')
  if (slashed.startsWith('/')) return slashed
  const { mountPoint, top } = files.volumes.mountOf(directory)
  const below = mountPoint === '/' ? directory : directory.slice(mountPoint.length)
  return posix.join(top, below, slashed)
}

/** The files of these names, each once even under several names, spelled as the file system spells them. */
export function filesAt(paths: readonly string[], files: SystemFiles): string[] {
  const found = new Map<string, string>()
  for (const path of paths) {
    const spelled = files.volumes.files.ignoringCase(path)
    const target = spelled === undefined ? undefined : files.resolve(spelled)
    if (spelled === undefined || target === undefined || !files.system.isFile(target)) continue
    if (!found.has(target)) found.set(target, spelled)
  }
  return [...found.values()]
}
