import { segmentArchitecture } from '../../engine/layout/architectures.ts'
import { KexecError } from '../../errors.ts'
import { flagName } from '../../option-name.ts'
import type { Context } from '../context/context.ts'
import { type Choice, silent } from '../model/decision.ts'
import { remarksOn } from '../model/remark.ts'
import type { Engine } from './engine.ts'

/**
 * Decides whether the segments loaded through kexec_load are hashed again before the new kernel starts: only on
 * request.
 */
export function chooseVerification({ kernel, options }: Context, engine: Engine): Choice<boolean> {
  if (!options.verifyInPurgatory) return silent(false)
  const decided = (value: boolean, reason: string): Choice<boolean> => ({
    value,
    decisions: [{ subject: 'purgatory', choice: 'kernel and initrd are hashed before the new kernel starts', reason }],
    remarks: [],
  })
  if (engine === 'file') return decided(false, 'kexec_file_load always does so')
  const architecture = segmentArchitecture(kernel.image)
  // A kernel without a layout is refused for that.
  if (architecture === undefined) return silent(false)
  if (architecture.verifies) {
    return decided(
      true,
      `asked for with ${flagName('verify-in-purgatory')}; if any of it was overwritten since the load, the machine says so on its first serial port, and stops`,
    )
  }
  const summary = `on ${architecture.name} this version does not hash the image of kexec_load before the new kernel starts`
  const hint = `Leave ${flagName('verify-in-purgatory')} away.`
  const refusal = new KexecError(summary, { reason: 'invalid-argument', hint, refused: true })
  return { value: false, decisions: [], remarks: [remarksOn('purgatory').refusal(refusal)] }
}
