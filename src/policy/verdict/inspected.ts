import type { Inspection } from '../../image/inspect/inspection.ts'
import type { System } from '../../system/system.ts'
import { detectPolicy } from '../detect.ts'
import { type LoadVerdict, type PredictOptions, predictAnswer } from './predict.ts'

/**
 * This machine's policy on an inspected image: would the kernel take it with its present signature?
 * @returns null for an image that no policy would load
 */
export function predictInspected(
  inspection: Inspection,
  system: System,
  options: Pick<PredictOptions, 'panic' | 'privileged'> = {},
): LoadVerdict | null {
  const { verdict, kernel, nested, signatures, kernelSignatures, engine } = inspection
  const isUnpacked = verdict === 'loadable-unpacked'
  if (verdict !== 'loadable' && !isUnpacked) return null
  // An unpacked kernel has no attributes; a file's owner and file system are not examined here.
  const file = { owner: null, fileSystem: null, attribute: isUnpacked ? null : signatures.ima, digestMatches: null }
  const report = nested.length === 1 ? signatures : kernelSignatures
  const image = { isPe: kernel.efiStub === null ? null : true, file, initrd: null }
  const call = engine.engine === 'segments' ? 'kexec_load' : 'kexec_file_load'
  return predictAnswer(detectPolicy({ system }), image, report, { ...options, call })
}
