import { posix } from 'node:path'
import { exposureWarnings } from '../../system/exposure.ts'
import type { System } from '../../system/system.ts'
import type { Choices } from '../choices/choices.ts'
import type { Context } from '../context/context.ts'
import { kernelFiles } from '../context/kernel.ts'
import { type Remark, remarksOn } from '../model/remark.ts'

const { warning } = remarksOn('files')

/** Warns when a user besides root could have replaced a file: its writer decides what runs as the kernel. */
export function checkWritable(context: Context, { deviceTree }: Choices): Remark[] {
  const { system, kernel, initrds } = context
  const files = initrds.archives.flatMap(({ file }) => file ?? [])
  const paths = [...kernelFiles(kernel), ...files].map(({ path }) => path)
  const given = deviceTree === null ? [] : [deviceTree.path]
  // An input without a path is called '(bytes)' or '(stream)'.
  const named = [...paths, ...pathsBeside(context), ...given].filter((path) => path.startsWith('/'))
  return exposureWarnings(system, named).map((text) => warning('exposed-files', text))
}

/** Other files that decide what starts: the entry's own, the overlays of the initrd, and the companions of a UKI. */
function pathsBeside({ target, kernel, initrds }: Context): string[] {
  const { path } = kernel.file
  const beside = kernel.unified === null ? [] : [`${path}.extra.d`, posix.resolve(path, '../../../loader/addons')]
  const overlaid = initrds.overlay.flatMap(({ from }) => from ?? [])
  return [...(target.entry?.config ? [target.entry.config] : []), ...overlaid, ...beside]
}

/** Warns when the new kernel would boot without its modules. */
export function checkModules(system: System, version: string | null): Remark[] {
  if (version === null) return []
  const directories = [`/usr/lib/modules/${version}`, `/lib/modules/${version}`]
  if (directories.some((directory) => system.stat(directory)?.isDirectory())) return []
  const text = `there is no /lib/modules/${version}: the new kernel will find no modules on this root file system`
  return [warning('no-modules', text)]
}
