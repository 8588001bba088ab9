import { KexecError } from '../errors.ts'
import {
  callback,
  checkOptions,
  listOf,
  milliseconds,
  type OptionKinds,
  oneOf,
  path,
  positiveNumber,
  text,
} from '../options.ts'
import type { RehearseOptions } from '../rehearsal/model/options.ts'
import type { Rehearsal } from '../rehearsal/rehearse.ts'
import { planKinds } from './plan.ts'

const {
  trial: _trial,
  panic: _panic,
  deviceTree: _tree,
  exactCommandLine: _exact,
  verifyInPurgatory: _verify,
  requireRehearsal: _require,
  ...planned
} = planKinds

const kinds: OptionKinds<RehearseOptions> = {
  ...planned,
  from: path,
  init: text,
  expect: text,
  memory: positiveNumber,
  cpus: positiveNumber,
  timeout: milliseconds,
  accelerator: oneOf('auto', 'kvm', 'tcg'),
  rootImage: path,
  keep: path,
  qemuArguments: listOf(text),
  onPhase: callback,
  onConsole: callback,
}

/**
 * Carries out a plan in QEMU: another kernel boots there, loads the very files with our own engine, and starts them. Says
 * whether the new kernel reached userspace. Needs no privilege, and changes nothing of this machine.
 * @throws KexecError when there is nothing to plan for, and 'unsupported-platform' without QEMU; 'aborted'; 'invalid-argument'.
 *   A plan that is refused, and everything that happens in the guest, is an outcome.
 */
export async function rehearse(options: RehearseOptions): Promise<Rehearsal> {
  const checked = checkOptions('rehearse()', options, kinds)
  if (checked.init !== undefined && checked.expect !== undefined) {
    throw new KexecError('`init` and `expect` exclude each other', {
      reason: 'invalid-argument',
      hint: "Give one of the two: with `expect`, the initrd's own init runs.",
      refused: true,
    })
  }
  // Few programs rehearse, and the harness takes longer to load than the rest.
  const { rehearse: carryOut } = await import('../rehearsal/rehearse.ts')
  return carryOut(checked)
}
