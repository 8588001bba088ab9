import { heed } from '../abort.ts'
import { KexecError } from '../errors.ts'
import type { System } from '../system/system.ts'
import { bootMount } from './checks/boot-mount.ts'
import { caller } from './checks/caller.ts'
import { diskEncryption } from './checks/disk-encryption.ts'
import { entries } from './checks/entries.ts'
import { held } from './checks/held.ts'
import { initSystem } from './checks/init-system.ts'
import { kernel } from './checks/kernel.ts'
import { liveUpdate } from './checks/live-update.ts'
import { memory } from './checks/memory.ts'
import { modules } from './checks/modules.ts'
import { platform } from './checks/platform.ts'
import { policy } from './checks/policy.ts'
import { trialGuards } from './checks/trial-guards.ts'
import { trials } from './checks/trials.ts'
import { watchdog } from './checks/watchdog.ts'
import type { DoctorCheck, Subject } from './examination/check.ts'
import { type Examination, readMachine } from './examination/examination.ts'

/** Everything that is examined, in the order of the report; a new subject touches its file and this list. */
export const subjects: readonly Subject[] = [
  kernel,
  policy,
  caller,
  platform,
  memory,
  entries,
  modules,
  bootMount,
  initSystem,
  held,
  watchdog,
  diskEncryption,
  liveUpdate,
  trials,
  trialGuards,
]

/** Whether a kexec would work on a machine, and possible trouble. Plain data. */
export interface Diagnosis {
  /** The worst of the checks: 'problem' when a kexec would not work. Unknown checks do not count. */
  readonly verdict: 'ok' | 'warning' | 'problem'
  /** The directory that was examined. */
  readonly root: string
  readonly checks: readonly DoctorCheck[]
}

/**
 * Looks at every precondition of loading a kernel and starting it. Changes nothing, uses up no load, and needs no
 * privilege; facts that only root can read are 'unknown'. A file that is missing or wrong is a check's finding, never
 * an error.
 * @param system a directory in place of the running machine: then only its files' facts are known
 * @throws KexecError 'aborted'
 */
export async function diagnose(system: System, signal?: AbortSignal): Promise<Diagnosis> {
  heed(signal)
  const examination = await readMachine(system, signal)
  try {
    const checks = subjects.flatMap((subject) => checksOf(subject, examination))
    return { verdict: verdictOf(checks), root: system.root, checks }
  } finally {
    if (!(examination.plan instanceof KexecError)) examination.plan.close()
  }
}

function checksOf(subject: Subject, examination: Examination): DoctorCheck[] {
  if (subject.needsMachine && !examination.isMachine) {
    return subject.ids
      .filter((id) => !['seccomp', 'confinement', 'efibc'].includes(id))
      .map((id) => ({ id, status: 'unknown', summary: NO_MACHINE, ...nothing, subject: subject.name }))
  }
  return subject.examine(examination).map((finding) => ({
    id: finding.id,
    subject: subject.name,
    status: finding.status,
    summary: finding.summary,
    detail: finding.detail ?? [],
    evidence: finding.evidence ?? [],
    remedy: finding.remedy ?? null,
  }))
}

/** The text of a check that the files of a system that does not run cannot answer. */
export const NO_MACHINE = 'Not checked: this system is not running.'

const nothing = { detail: [], evidence: [], remedy: null } as const

function verdictOf(checks: readonly DoctorCheck[]): Diagnosis['verdict'] {
  if (checks.some(({ status }) => status === 'problem')) return 'problem'
  return checks.some(({ status }) => status === 'warning') ? 'warning' : 'ok'
}
