import { type Diagnosis, diagnose as diagnoseMachine } from '../doctor/diagnosis.ts'
import type { Inspection } from '../image/inspect/inspection.ts'
import { abortSignal, checkArgument, flag, isObject, type OptionKinds } from '../options.ts'
import { detectPolicy as detectPolicyOf } from '../policy/detect.ts'
import type { KexecPolicy } from '../policy/policy.ts'
import { predictInspected } from '../policy/verdict/inspected.ts'
import type { LoadVerdict } from '../policy/verdict/predict.ts'
import { type MachineOption, machineOf, machineOption, onMachine } from './machine.ts'

/**
 * Reads everything that decides whether the running kernel loads a kernel. Changes nothing, uses up no load, and needs no
 * privilege; `unread` lists the files that could not be read, and the facts that root would see. Of a directory only its
 * files' facts are known. No file's contents make it fail.
 * @throws KexecError 'not-found' when the root is not a directory; 'invalid-argument'
 */
export function detectPolicy(options?: MachineOption): KexecPolicy {
  return detectPolicyOf({ system: machineOf('detectPolicy()', options) })
}

export interface PredictOptions extends MachineOption {
  /** As the crash kernel. */
  readonly panic?: boolean
  /** As if this process had every privilege. */
  readonly privileged?: boolean
}

const predictKinds: OptionKinds<PredictOptions> = { ...machineOption, panic: flag, privileged: flag }

const inspection = {
  what: 'what inspect() returned',
  accepts: (value: unknown) => isObject(value) && isObject(value['kernel']) && isObject(value['signatures']),
}

/**
 * Predicts whether the running kernel's policy would take an image that `inspect` examined, with the signature that it
 * has. Enough memory is a separate question, which `plan` answers.
 * @returns null for an image that no policy would load
 * @throws KexecError 'not-found' when the root is not a directory; 'invalid-argument'
 */
export function predict(inspected: Inspection, options?: PredictOptions): LoadVerdict | null {
  checkArgument('predict()', inspected, inspection)
  const { system, ...rest } = onMachine('predict()', options, predictKinds)
  return predictInspected(inspected, system, rest)
}

export interface DiagnoseOptions extends MachineOption {
  /** Ends it early. */
  readonly signal?: AbortSignal
}

const diagnoseKinds: OptionKinds<DiagnoseOptions> = { ...machineOption, signal: abortSignal }

/**
 * Looks at every precondition of loading a kernel and starting it. Changes nothing, uses up no load, and needs no
 * privilege; facts that only root can read are 'unknown'. Of a directory only its files' facts are known. A file that is
 * missing or wrong is a check's finding, never an error.
 * @throws KexecError 'not-found' when the root is not a directory; 'aborted'; 'invalid-argument'
 */
export async function diagnose(options?: DiagnoseOptions): Promise<Diagnosis> {
  const { system, signal } = onMachine('diagnose()', options, diagnoseKinds)
  return diagnoseMachine(system, signal)
}
