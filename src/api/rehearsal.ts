import { KexecError } from '../errors.ts'
import {
  callback,
  checkOptions,
  flag,
  listOf,
  milliseconds,
  type OptionKind,
  type OptionKinds,
  oneOf,
  path,
  positiveNumber,
  text,
} from '../options.ts'
import { MOST_KEXECS, type RehearseOptions } from '../rehearsal/model/options.ts'
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

const kexecs: OptionKind = {
  what: `a whole number from 1 to ${MOST_KEXECS}`,
  accepts: (value) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MOST_KEXECS,
}

const kinds: OptionKinds<RehearseOptions> = {
  ...planned,
  from: path,
  init: text,
  expect: text,
  withInitrdInit: flag,
  count: kexecs,
  lockdown: oneOf('integrity', 'confidentiality'),
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

function criteria({ init, expect, withInitrdInit = false }: RehearseOptions): string[] {
  return [
    ...(init === undefined ? [] : ['init']),
    ...(expect === undefined ? [] : ['expect']),
    ...(withInitrdInit ? ['withInitrdInit'] : []),
  ]
}

/**
 * Carries out a plan in QEMU: another kernel boots there, loads the very files with our own engine, and starts them. Says
 * whether the new kernel reached userspace. Needs no privilege, and changes nothing of this machine.
 * @throws KexecError when there is nothing to plan for, and 'unsupported-platform' without QEMU; 'aborted'; 'invalid-argument'.
 *   A plan that is refused, and everything that happens in the guest, is an outcome.
 */
export async function rehearse(options: RehearseOptions): Promise<Rehearsal> {
  const checked = checkOptions('rehearse()', options, kinds)
  const [one, other] = criteria(checked)
  if (one !== undefined && other !== undefined) {
    throw new KexecError(`\`${one}\` and \`${other}\` exclude each other`, {
      reason: 'invalid-argument',
      hint: 'Give one of `init`, `expect` and `withInitrdInit`: each says by itself what counts as success.',
      refused: true,
    })
  }
  // Few programs rehearse, and the harness takes longer to load than the rest.
  const { rehearse: carryOut } = await import('../rehearsal/rehearse.ts')
  return carryOut(checked)
}
