import { randomBytes } from 'node:crypto'
import type { InitrdOverlay } from '../../initrd/overlay.ts'
import { initCode } from './init-code.ts'

/** The places of the program and its file in the initrd: native/rehearsal/rehearsal.c. */
export const PROGRAM = '/linux-kexec-rehearsal'
export const CONFIGURATION = '/linux-kexec-rehearsal.conf'

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

/** The work of a first process. */
export interface FirstProcess {
  /** Begins every line of its report. */
  readonly word: string
  /** The serial port of the report, as a path in the guest. */
  readonly port: string
  /** The directory that is the root of its commands. Default: '/'. */
  readonly root?: string
  /** The initrd's own init, which it becomes; it runs no commands then. */
  readonly init?: string | undefined
  readonly commands: readonly GuestCommand[]
}

/**
 * The files for the initrd.
 * @throws RangeError for an architecture without the program, and for commands that are too long
 */
export function initOverlay(architecture: string, work: FirstProcess): InitrdOverlay[] {
  return [
    { source: initProgram(architecture), destination: PROGRAM, mode: 0o755 },
    { source: initConfiguration(work), destination: CONFIGURATION, mode: 0o600 },
  ]
}

/** @throws RangeError for an architecture without the program */
export function initProgram(architecture: string): Buffer {
  const code = programs.get(architecture)
  if (code === undefined) throw new RangeError(`there is no first process for ${architecture}`)
  return Buffer.from(code.program, 'base64')
}

/** @throws RangeError for commands that are too long */
export function initConfiguration({ word, port, root = '/', init = '', commands }: FirstProcess): Buffer {
  const strings = [word, port, root, init, ...commands.flatMap(({ output, words }) => [output, ...words, ''])]
  const configuration = Buffer.from(strings.map((text) => `${text}\0`).join(''))
  if (configuration.length > LONGEST) throw new RangeError(`the commands have more than ${LONGEST} bytes`)
  return configuration
}
