import { MAX_BLOB, readDeviceTree } from '../../device-tree/blob.ts'
import type { DeviceTree } from '../../device-tree/tree.ts'
import { segmentArchitecture } from '../../engine/layout/architectures.ts'
import { KexecError } from '../../errors.ts'
import type { System } from '../../system/system.ts'
import type { PlannedKernel } from '../context/kernel.ts'
import type { Findings } from '../model/decision.ts'
import type { PlanOptions } from '../model/options.ts'

/** A device tree that was asked for, as it was when the plan was made. */
export interface GivenTree {
  readonly path: string
  readonly tree: DeviceTree
}

/** Reads what `devicetree` names, for kernels that are given one; what cannot be read or is none is refused. */
export function readGivenTree(
  system: System,
  { image }: PlannedKernel,
  { devicetree: path }: PlanOptions,
  findings: Findings,
): GivenTree | null {
  if (path === undefined || !segmentArchitecture(image)?.hasDeviceTree) return null
  try {
    const tree = readDeviceTree(readAll(system, path), path)
    findings.decide('device tree', path, 'asked for with --dtb, in place of the running one')
    return { path, tree }
  } catch (error) {
    if (!(error instanceof KexecError)) throw error
    findings.refuse(error)
    return null
  }
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
      hint: 'Give --dtb the path of a flattened device tree (.dtb).',
      refused: true,
      cause: error,
    })
  }
}
