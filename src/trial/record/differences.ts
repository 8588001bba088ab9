import { endianness } from 'node:os'
import { buildIdIn } from '../../bytes/elf-notes.ts'
import { parseCommandLine, printCommandLine } from '../../cmdline/parse.ts'
import type { System } from '../../system/system.ts'
import type { TrialTarget } from '../model/trial.ts'

/** A fact of the running system that is not as the trial's record has it. */
export interface TrialDifference {
  /** Where it was read. */
  readonly source: '/proc/sys/kernel/osrelease' | '/sys/kernel/notes' | '/proc/sys/kernel/version' | '/proc/cmdline'
  /** The value in the record; for a parameter, null when the record does not have it. */
  readonly expected: string | null
  /** The value of the running system; null when it does not have it, or cannot be read. */
  readonly found: string | null
}

/**
 * Compares the running system with the kernel of a trial. Facts that the image did not contain are not compared. Kernels of
 * one release differ by their build id, or else by the number and time of their build. The command lines are compared parameter by parameter, as the kernel reads them, in order.
 */
export function differences(system: System, target: Omit<TrialTarget, 'kernel' | 'initrdSha256'>): TrialDifference[] {
  const { release, buildId = null, version = null, commandLine } = target
  return [
    ...ofFact('/proc/sys/kernel/osrelease', release, () => system.runningRelease()),
    ...(buildId === null
      ? ofFact('/proc/sys/kernel/version', version, () => system.readText('/proc/sys/kernel/version')?.trim())
      : ofFact('/sys/kernel/notes', buildId, () => runningBuildId(system))),
    ...ofCommandLine(commandLine, system.runningCommandLine()),
  ]
}

/** @param expected null where it is unknown */
function ofFact(
  source: TrialDifference['source'],
  expected: string | null,
  read: () => string | null | undefined,
): TrialDifference[] {
  if (expected === null) return []
  const found = read() ?? null
  return found === expected ? [] : [{ source, expected, found }]
}

/** Longer than any kernel's notes, in bytes. */
const MOST_NOTES = 64 * 1024

function runningBuildId(system: System): string | null {
  try {
    const order = endianness() === 'LE' ? 'little' : 'big'
    return buildIdIn(system.readHead('/sys/kernel/notes', MOST_NOTES), order)
  } catch {
    return null
  }
}

function ofCommandLine(expected: string, found: string | undefined): TrialDifference[] {
  const source = '/proc/cmdline'
  if (found === undefined) return [{ source, expected, found: null }]
  const [wanted, present] = [wordsOf(expected), wordsOf(found)]
  if (wanted.join('\0') === present.join('\0')) return []
  const missing = without(wanted, present).map((word): TrialDifference => ({ source, expected: word, found: null }))
  const extra = without(present, wanted).map((word): TrialDifference => ({ source, expected: null, found: word }))
  const all = [...missing, ...extra]
  // The same words in another order.
  return all.length > 0 ? all : [{ source, expected: wanted.join(' '), found: present.join(' ') }]
}

/** Its words; those for init are one text, because their order and number count. */
function wordsOf(text: string): string[] {
  const parsed = parseCommandLine(text)
  const ofInit = printCommandLine({ parameters: [], init: parsed.init })
  return [...parsed.parameters.map(({ raw }) => raw), ...(ofInit === '' ? [] : [ofInit])]
}

/** The words of one list that the other does not have as often. */
function without(words: readonly string[], others: readonly string[]): string[] {
  const rest = [...others]
  return words.filter((word) => {
    const at = rest.indexOf(word)
    if (at >= 0) rest.splice(at, 1)
    return at < 0
  })
}
