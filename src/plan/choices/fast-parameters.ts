import { appendParameters } from '../../cmdline/edit.ts'
import { type CommandLine, commandLineBytes, parseCommandLine, printCommandLine, sameKey } from '../../cmdline/parse.ts'
import { markOf } from '../../cmdline/reuse.ts'
import type { KernelImage } from '../../image/model/image.ts'
import type { System } from '../../system/system.ts'
import { listOf, type PlanOptions } from '../model/options.ts'

/** A parameter that lets the new kernel start sooner, with its gain and its price. */
export interface FastParameter {
  readonly raw: string
  readonly choice: string
  readonly reason: string
}

/**
 * Documentation/admin-guide/kernel-parameters.txt. The kernel's developers leave the tests out unless a configuration
 * asks for them; those of distributions do. Under fips=1 the kernel ignores it (alg_test of crypto/testmgr.c).
 */
const withoutCryptoTests: FastParameter = {
  raw: 'cryptomgr.notests',
  choice: 'the new kernel does not test its own cryptography',
  reason:
    'cryptomgr.notests on its command line: this saves some 30 ms of its start, more on slow processors, but a broken implementation is no longer detected and left out',
}

/**
 * The parameters that a fast load adds to a command line, and the line with them. The mark beside them lets the next
 * load take them off. Nothing is added where the administrator has already decided, where the rules of FIPS ask for the
 * tests, and where the line would get too long or ends in an open quote.
 */
export function fastParameters(
  system: System,
  line: CommandLine,
  options: Pick<PlanOptions, 'append'>,
  { maxCommandLine }: Pick<KernelImage, 'maxCommandLine'>,
): { line: CommandLine; added: readonly FastParameter[] } {
  const nothing = { line, added: [] }
  const append = listOf(options.append)
  const all = [line, ...append.map(parseCommandLine)].flatMap(({ parameters }) => parameters)
  const isDecided = all.some(({ key }) => sameKey(key, 'fips') || key.startsWith('cryptomgr.'))
  if (isDecided || system.readText('/proc/sys/crypto/fips_enabled')?.trim() === '1') return nothing
  const { raw } = withoutCryptoTests
  const longer = appended(line, `${raw} ${markOf(raw)}`)
  const whole = longer && append.reduce<CommandLine | null>(appended, longer)
  if (longer === null || whole === null) return nothing
  if (maxCommandLine !== null && commandLineBytes(printCommandLine(whole)) > maxCommandLine) return nothing
  return { line: longer, added: [withoutCryptoTests] }
}

/** null for a line or words that end in an open quote: `append` refuses them, and says so. */
function appended(line: CommandLine | null, text: string): CommandLine | null {
  try {
    return line && appendParameters(line, text)
  } catch {
    return null
  }
}
