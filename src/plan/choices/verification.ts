import { segmentArchitecture } from '../../engine/layout/architectures.ts'
import { KexecError } from '../../errors.ts'
import type { PlannedKernel } from '../context/kernel.ts'
import type { Findings } from '../model/decision.ts'
import type { PlanOptions } from '../model/options.ts'
import type { Engine } from './engine.ts'

/** Decides whether what is loaded through kexec_load is hashed once more before the new kernel starts: only if asked for. */
export function chooseVerification(
  engine: Engine,
  { image }: PlannedKernel,
  { verifyInPurgatory = false }: PlanOptions,
  findings: Findings,
): boolean {
  if (!verifyInPurgatory) return false
  if (engine === 'file') {
    findings.decide('purgatory', 'all is hashed before the new kernel starts', 'kexec_file_load always does so')
    return false
  }
  const architecture = segmentArchitecture(image)
  if (architecture?.verifies) {
    findings.decide(
      'purgatory',
      'all is hashed before the new kernel starts',
      'asked for with --verify-in-purgatory; if any of it was overwritten since the load, the machine says so on its first serial port, and stops',
    )
    return true
  }
  // What nobody lays out is refused for that.
  if (architecture !== undefined) {
    const summary = `what kexec_load is given on ${architecture.name} is not hashed before the new kernel starts in this version`
    const hint = 'Leave --verify-in-purgatory away.'
    findings.refuse(new KexecError(summary, { reason: 'invalid-argument', hint, refused: true }))
  }
  return false
}
