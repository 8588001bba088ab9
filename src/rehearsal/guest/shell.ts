import { readFile, realpath } from 'node:fs/promises'
import { PT_INTERP, readElfHeader, readProgramHeaders } from '../../bytes/elf.ts'
import { KexecError } from '../../errors.ts'
import type { InitrdOverlay } from '../../initrd/overlay.ts'
import type { InitrdTree } from '../../initrd/tree.ts'
import { optionName } from '../../option-name.ts'
import { execute, findProgram } from '../../vm/host/process.ts'

/** Where the command of a rehearsal expects its shell. */
export const SHELL = '/bin/sh'

/** busybox works by the name that it is called by, and its links lead here. */
const BUSYBOX = '/linux-kexec/busybox'

/** What the initrd gets for a shell. */
export interface BroughtShell {
  readonly files: readonly InitrdOverlay[]
  /** Commands that come before the one for the shell. */
  readonly preparations: readonly (readonly string[])[]
}

const nothing: BroughtShell = { files: [], preparations: [] }

/**
 * The shell that a command needs, where the initrd has none: the busybox of this machine, with its other programs, else its /bin/sh;
 * with the libraries that the initrd does not have.
 * @throws KexecError 'not-found' where this machine has neither
 */
export async function shellFor(tree: InitrdTree): Promise<BroughtShell> {
  if (tree.hasFile(SHELL)) return nothing
  const busybox = findProgram('busybox')
  if (busybox !== undefined) {
    const preparations = [
      [BUSYBOX, 'mkdir', '-p', '/bin'],
      // Programs that are there stay.
      [BUSYBOX, '--install', '-s', '/bin'],
    ]
    const files = await programWithLibraries(busybox, BUSYBOX, tree).catch(() => undefined)
    if (files !== undefined) return { files, preparations }
  }
  try {
    return { files: await programWithLibraries(SHELL, SHELL, tree), preparations: [] }
  } catch (cause) {
    throw new KexecError(`the initrd has no ${SHELL}, and this machine has none to bring into it`, {
      reason: 'not-found',
      path: SHELL,
      hint: `Install busybox, or add a shell: ${optionName('overlay', `SOURCE:${SHELL}`)}.`,
      refused: true,
      cause,
    })
  }
}

/** The program of this machine that a command of `init` may get as its shell. */
export function shellSource(): string {
  return findProgram('busybox') ?? SHELL
}

/** A program of this machine for another place, and the libraries that the initrd does not have. */
async function programWithLibraries(source: string, destination: string, tree: InitrdTree): Promise<InitrdOverlay[]> {
  const bytes = await readFile(source)
  const libraries = (await librariesOf(await realpath(source), bytes)).filter((path) => !tree.hasFile(path))
  const copies = libraries.map(async (path) => ({ source: await readFile(path), destination: path, mode: 0o755 }))
  return [{ source: bytes, destination, mode: 0o755 }, ...(await Promise.all(copies))]
}

/** The loader of a program and its libraries, by the loader's own word; none for a static one. */
async function librariesOf(path: string, bytes: Buffer): Promise<string[]> {
  const interpreter = interpreterOf(bytes)
  if (interpreter === null) return []
  // Both glibc (2.26 and later: elf/rtld.c) and musl (ldso/dynlink.c) list with this option.
  const listed = (await execute(interpreter, ['--list', path])).toString()
  const named = listed.split('\n').flatMap((line) => /(?:=>|^)\s*(\/\S+) \(0x/.exec(line)?.[1] ?? [])
  return [...new Set([interpreter, ...named])]
}

/** @throws RangeError for a file that is not a program of this kind */
function interpreterOf(bytes: Buffer): string | null {
  const header = readElfHeader(bytes)
  if (header?.table == null) throw new RangeError('not an ELF program')
  const { offset, entrySize, count } = header.table
  const table = bytes.subarray(Number(offset), Number(offset) + count * entrySize)
  const found = readProgramHeaders(table, header, entrySize).find(({ type }) => type === PT_INTERP)
  if (found === undefined) return null
  const at = Number(found.offset)
  return bytes.toString('latin1', at, at + Number(found.fileSize)).replace(/\0.*$/s, '')
}
