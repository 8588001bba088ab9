import { randomBytes } from 'node:crypto'
import type { InitrdOverlay } from '../../initrd/overlay.ts'
import { initCode } from './init-code.ts'

/** The places of the program and its file in the initrd: native/rehearsal/rehearsal.c. */
const PROGRAM = '/linux-kexec-rehearsal'
const CONFIGURATION = '/linux-kexec-rehearsal.conf'

/** The parameter that makes it the first process. */
export const initParameter = `rdinit=${PROGRAM}`

/** The program reads its file in one piece (LONGEST_CONFIGURATION). */
const LONGEST = 64 * 1024 - 1

const programs: ReadonlyMap<string, { readonly program: string }> = new Map(Object.entries(initCode))

export interface GuestCommand {
  /** Where its standard output goes: into the report, or to the console. */
  readonly output: 'report' | 'console'
  readonly words: readonly string[]
}

/** A word that begins every line of a report, which nothing in a guest can know beforehand. */
export function newWord(): string {
  return `@rehearsal-${randomBytes(8).toString('hex')}`
}

/**
 * The files for the initrd. @param port the serial port of the report, as a path in the guest
 * @throws RangeError for an architecture without the program, and for commands that are too long
 */
export function initOverlay(
  architecture: string,
  {
    word,
    port,
    commands,
  }: { readonly word: string; readonly port: string; readonly commands: readonly GuestCommand[] },
): InitrdOverlay[] {
  const code = programs.get(architecture)
  if (code === undefined) throw new RangeError(`there is no first process for ${architecture}`)
  const strings = [word, port, ...commands.flatMap(({ output, words }) => [output, ...words, ''])]
  const configuration = Buffer.from(strings.map((text) => `${text}\0`).join(''))
  if (configuration.length > LONGEST) throw new RangeError(`the commands have more than ${LONGEST} bytes`)
  return [
    { source: Buffer.from(code.program, 'base64'), destination: PROGRAM, mode: 0o755 },
    { source: configuration, destination: CONFIGURATION, mode: 0o600 },
  ]
}
