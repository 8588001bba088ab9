import type { ProcessorState, RehearsalOutcome, RehearsalPhase, RehearsalRecord } from '../model/rehearsal.ts'

/** How it ended, as a sentence; of several kexecs, which one. */
export function rehearsalWords({
  outcome,
  count,
  kexec,
}: Pick<RehearsalRecord, 'outcome' | 'count' | 'kexec'>): string {
  const words = outcomeWords(outcome)
  if (count === 1 || kexec === 0) return words
  return outcome.kind === 'passed' ? `${words}, ${count} times in a row` : `kexec ${kexec} of ${count}: ${words}`
}

/** An outcome as a sentence. */
export function outcomeWords(outcome: RehearsalOutcome): string {
  switch (outcome.kind) {
    case 'passed':
      return 'the new kernel reached userspace'
    case 'oopsed':
      return `the new kernel reached userspace, and reported a fault before: ${outcome.message}`
    case 'failed':
      return `the command in the new kernel ended with status ${outcome.status}`
    case 'not-as-planned':
      return `the new kernel got something else than planned: ${outcome.differences.join('; ')}`
    case 'panicked':
      return `the kernel panicked ${when[outcome.phase]}: ${outcome.message}`
    case 'root-not-found':
    case 'init-failed':
      return outcome.message
    case 'hung':
      return outcome.after === ''
        ? `nothing came ${when[outcome.phase]}`
        : `nothing more came ${when[outcome.phase]}, after: ${outcome.after}`
    case 'silent':
      return outcome.processor === null
        ? 'the new kernel printed nothing'
        : `the new kernel printed nothing, and its processor ${does[outcome.processor]}`
    case 'timed-out':
      return `the time was over ${when[outcome.phase]}`
    case 'powered-off':
      return `the machine was switched off ${when[outcome.phase]}`
    case 'rebooted':
      return `the machine was reset ${when[outcome.phase]}`
    case 'refused':
    case 'not-loaded':
      return outcome.error.message
    case 'accelerator-unusable':
      return `the accelerator cannot be used here: ${outcome.message}`
    case 'qemu-died':
      return `QEMU ended by itself: ${outcome.message}`
  }
}

const does: Readonly<Record<ProcessorState, string>> = { looping: 'runs on and on', waiting: 'waits' }

const when: Readonly<Record<RehearsalPhase, string>> = {
  'first boot': 'while the kernel that loads it booted',
  load: 'during the load',
  jump: 'between the two kernels',
  boot: 'while the new kernel booted',
  run: 'in userspace',
}
