import { MAX_BLOB, readDeviceTree } from '../../device-tree/read.ts'
import type { DeviceTree } from '../../device-tree/tree.ts'
import { segmentArchitecture } from '../../engine/layout/architectures.ts'
import { KexecError } from '../../errors.ts'
import { optionName } from '../../option-name.ts'
import type { System } from '../../system/system.ts'
import type { Context } from '../context/context.ts'
import { type Choice, silent } from '../model/decision.ts'
import { remarksOn } from '../model/remark.ts'
import { type Engine, takesDeviceTree } from './engine.ts'

/** A requested device tree, as it was when the plan was made. */
export interface GivenTree {
  readonly path: string
  readonly tree: DeviceTree
}

const { refusal } = remarksOn('device tree')

/**
 * Reads the file that `devicetree` names, for kernels that take a device tree. A file that cannot be read or is not a
 * device tree is refused.
 */
export function chooseDeviceTree(context: Context, engine: Engine): Choice<GivenTree | null> {
  const { system, kernel, options } = context
  const { deviceTree: path } = options
  if (path === undefined) return silent(null)
  const remarks = whyNoTree(context, engine).map(refusal)
  if (engine === 'file' || !segmentArchitecture(kernel.image)?.hasDeviceTree) return { ...silent(null), remarks }
  try {
    const tree = readDeviceTree(readAll(system, path), path)
    const reason = `asked for with ${optionName('dtb')}, in place of the running one`
    return { value: { path, tree }, decisions: [{ subject: 'device tree', choice: path, reason }], remarks }
  } catch (error) {
    if (!(error instanceof KexecError)) throw error
    return { ...silent(null), remarks: [...remarks, refusal(error)] }
  }
}

/** Why a device tree cannot be given. */
function whyNoTree(context: Context, engine: Engine): KexecError[] {
  const refuse = (summary: string, hint: string) => [
    new KexecError(summary, { reason: 'invalid-argument', hint, refused: true }),
  ]
  if (!takesDeviceTree(context)) {
    const { format, architecture } = context.kernel.image
    return refuse(`linux-kexec gives no device tree to a ${format} of ${architecture}`, `Omit ${optionName('dtb')}.`)
  }
  if (engine !== 'file') return []
  const hint = `Omit ${optionName('dtb')}, or give ${optionName('engine', 'segments')}.`
  return refuse('the engine `file` (kexec_file_load) gives the new kernel the running device tree', hint)
}

function readAll(system: System, path: string): Buffer {
  try {
    return system.readHead(path, MAX_BLOB + 1)
  } catch (error) {
    const { code = 'EIO' } = error as NodeJS.ErrnoException
    const isAbsent = code === 'ENOENT' || code === 'ENOTDIR'
    throw new KexecError(isAbsent ? 'there is no such device tree' : 'the device tree cannot be read', {
      reason: isAbsent ? 'not-found' : 'not-readable',
      code,
      path,
      hint: `Give ${optionName('dtb')} the path of a flattened device tree (.dtb).`,
      refused: true,
      cause: error,
    })
  }
}
