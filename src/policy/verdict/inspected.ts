import type { Inspection } from '../../image/inspect/inspection.ts'
import { System } from '../../system/system.ts'
import { detectPolicy } from '../detect.ts'
import { predict, type Verdict } from './predict.ts'

/**
 * What this machine's policy says to an image that was inspected: would the kernel take it, signed as it is?
 * @returns null for what is not loaded at all, whatever the policy
 */
export function predictInspected(inspection: Inspection, system: System = new System()): Verdict | null {
  const { verdict, kernel, nested, signatures, kernelSignatures, engine } = inspection
  const isUnpacked = verdict === 'loadable-unpacked'
  if (verdict !== 'loadable' && !isUnpacked) return null
  // What is unpacked first has no attributes; of a file, its owner and file system are not asked for here.
  const file = { owner: null, fileSystem: null, attribute: isUnpacked ? null : signatures.ima, digestMatches: null }
  const report = nested.length === 1 ? signatures : kernelSignatures
  const image = { isPe: kernel.efiStub === null ? null : true, file, initrd: null }
  const call = engine.engine === 'segments' ? 'kexec_load' : 'kexec_file_load'
  return predict(detectPolicy({ system }), image, report, { call })
}
