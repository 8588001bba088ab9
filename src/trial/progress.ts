import type { KeptMessages } from './last-lines.ts'
import type { TrialRecord } from './model/trial.ts'

/** How far the kernel of a trial came that was taken back. Only what its messages show; more may have happened. */
export interface TrialProgress {
  readonly stage: TrialStage
  /** The message that shows it, and its file. */
  readonly line: string
  readonly path: string
}

export const trialStages = [
  /** The old kernel jumped. */
  'jumped',
  /** The new kernel ran. */
  'kernel',
  /** The new kernel started its first program. */
  'init',
] as const
export type TrialStage = (typeof trialStages)[number]

/** For people: clauses. */
export const stageWords: Readonly<Record<TrialStage, string>> = {
  jumped: 'the old kernel jumped into its kernel, which left no messages',
  kernel: 'its kernel ran, and nothing shows that its init did',
  init: 'its kernel and its init ran',
}

/** A message of the kernel log, as pstore and the console have it. */
interface Message {
  readonly raw: string
  /** Without its level and time. */
  readonly text: string
  /** Whether a program wrote it to /dev/kmsg; null where that is not shown. */
  readonly isFromProgram: boolean | null
}

/** `<6>[    1.234567] text`, `<6>[    1.234567][    T1] text` (kernel/printk/printk.c); the console has no level. */
const MESSAGE = /^(?:<(\d{1,3})>)?\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? (.*)$/

/** Levels below this have the facility of the kernel, which no program can write (devkmsg_write, kernel/printk/printk.c). */
const LEVELS = 8

/** kernel_kexec() of kernel/kexec_core.c. */
const JUMP = /^kexec(?:_core)?: Starting new kernel$/
/** run_init_process() of init/main.c, before it tries to. */
const RUN = /^Run .+ as init process$/
/** kernel_init() and try_to_run_init_process() of init/main.c. */
const NOT_RUN =
  /^(?:Failed to execute .+ \(error -?\d+\)|Starting init: .+ exists but couldn't execute it|Kernel panic - not syncing: (?:No working init found|Requested init ))/
/** do_exit() of kernel/exit.c: process 1 has run. */
const INIT_DIED = /^Kernel panic - not syncing: Attempted to kill init!/

/**
 * Judges the messages that were kept. Null where they do not show it, or may be those of another kernel. The deadman's, which
 * name the trial (native/deadman/), are those of the first program.
 */
export function progressIn({ path, lines }: KeptMessages, { id, target, from }: TrialRecord): TrialProgress | null {
  const messages = lines.map(messageOf)
  const shows = (stage: TrialStage, message: Message): TrialProgress => ({ stage, line: message.raw, path })
  const release = target.release === from.release ? null : target.release
  const deadman = messages.find(({ text }) => text.startsWith(`linux-kexec: trial ${id}: `))
  const own = deadman ?? messages.find((message) => isOf(message, id, release))
  if (own !== undefined) {
    const init = findInit(messages) ?? deadman
    return init === undefined ? shows('kernel', own) : shows('init', init)
  }
  // The old kernel's: the new one was not so far as to keep its own.
  const jump = messages.findLast(({ text, isFromProgram }) => JUMP.test(text) && isFromProgram !== true)
  return jump === undefined ? null : shows('jumped', jump)
}

function messageOf(raw: string): Message {
  const [, level, text = raw] = MESSAGE.exec(raw) ?? []
  return { raw, text, isFromProgram: level === undefined ? null : Number(level) >= LEVELS }
}

/**
 * Whether a message of the kernel itself is one of the trial's kernel: its command line has the id (start_kernel() of
 * init/main.c), its banner (init/version.c) or the head of a stack (dump_stack_print_info() of lib/dump_stack.c) has its release.
 */
function isOf({ text, isFromProgram }: Message, id: string, release: string | null): boolean {
  if (isFromProgram === true) return false
  if (text.startsWith('Kernel command line: ') && text.split(/[ "]/).includes(`linux_kexec.trial=${id}`)) return true
  if (release === null) return false
  return text.startsWith(`Linux version ${release} `) || (text.startsWith('CPU: ') && text.includes(` ${release} #`))
}

/** A message of a program, of the start of one that did not fail, or of the death of process 1. */
function findInit(messages: readonly Message[]): Message | undefined {
  const fromKernel = messages.filter(({ isFromProgram }) => isFromProgram !== true)
  const died = fromKernel.find(({ text }) => INIT_DIED.test(text))
  if (died !== undefined) return died
  const run = fromKernel.findLastIndex(({ text }) => RUN.test(text))
  const hasFailed = fromKernel.slice(run + 1).some(({ text }) => NOT_RUN.test(text))
  if (run >= 0 && !hasFailed) return fromKernel[run]
  return messages.find(({ isFromProgram }) => isFromProgram === true)
}
