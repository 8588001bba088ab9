import { appendParameters } from '../../cmdline/edit.ts'
import { lastParameter, parametersNamed } from '../../cmdline/look-up.ts'
import { type CommandLine, parseCommandLine, sameKey } from '../../cmdline/parse.ts'
import { markOf, TRIAL_PARAMETER } from '../../cmdline/reuse.ts'
import { deadmanParameter, startDeadman } from '../../trial/guards/deadman.ts'
import type { PossibleTrial, TrialParameter } from './guards.ts'

/**
 * A command line with the parameters of a trial. The marks beside them let the next load take them off. A parameter that
 * guards already stays as it is.
 * @param append what will be appended, and so counts as well
 */
export function withTrial(
  line: CommandLine,
  { parameters, deadman }: Pick<PossibleTrial, 'parameters' | 'deadman'>,
  append: readonly string[],
): { readonly line: CommandLine; readonly added: readonly TrialParameter[] } {
  const whole = { ...line, parameters: [line, ...append.map(parseCommandLine)].flatMap((each) => each.parameters) }
  const added = parameters.filter(({ raw }) => !isGuardedAlready(whole, raw))
  const longer = added.reduce((longerLine, { raw }) => appendParameters(longerLine, withMark(raw)), line)
  if (!deadman.isPossible) return { line: longer, added }
  const start = {
    raw: deadmanParameter,
    reason: 'the deadman starts before init, and resets the machine at the deadline',
  }
  return { line: startDeadman(longer).commandLine, added: [...added, start] }
}

/** The trial's own parameter concerns one boot, and needs no mark. */
function withMark(raw: string): string {
  return raw.startsWith(`${TRIAL_PARAMETER}=`) ? raw : `${raw} ${markOf(raw)}`
}

function isGuardedAlready(line: CommandLine, raw: string): boolean {
  if (raw.startsWith('panic=')) return panicSeconds(line) !== null
  // The layout of the black box is one choice: parts of two would fit neither.
  if (raw.startsWith('ramoops.')) return parametersNamed(line, raw.slice(0, raw.indexOf('='))).length > 0
  return line.parameters.some((parameter) => parameter.raw === raw)
}

/** Seconds from a panic to the reset; null where the kernel would wait for ever. A negative number resets at once. */
export function panicSeconds(line: CommandLine): number | null {
  const seconds = Number.parseInt(lastParameter(line, 'panic')?.value ?? '0', 10)
  return Number.isNaN(seconds) || seconds === 0 ? null : Math.max(0, seconds)
}

/**
 * The program that the initrd starts after ours: `rdinit=` without our own.
 * @returns null where the line does not start ours
 */
export function nextInit({ parameters }: CommandLine): string | null {
  const inits = parameters.filter(({ key }) => sameKey(key, 'rdinit'))
  if (inits.at(-1)?.raw !== deadmanParameter) return null
  return inits.findLast(({ raw }) => raw !== deadmanParameter)?.value ?? '/init'
}
