import { realpathSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { System } from './system/system.ts'

/**
 * The files that a script calls to run this program: absolute paths free of links, because nobody sets PATH at
 * shutdown.
 */
export interface Program {
  /** The Node that runs it. */
  readonly node: string
  /** The command, one file: dist/linux-kexec.cjs of the installed package. */
  readonly command: string
}

/** The locations of programs on a machine that is seen only through its files. */
const DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/**
 * The location of this program: on the running machine, of the one that runs; in a root directory, of the one installed
 * there.
 * @returns undefined where Node or the command is not there
 */
export function locateProgram(system: System): Program | undefined {
  if (system.isLive) {
    try {
      // src/program.ts, dist/program.js and dist/linux-kexec.cjs are all one directory below the package.
      const command = exactPath(fileURLToPath(new URL('../dist/linux-kexec.cjs', import.meta.url)))
      return { node: exactPath(process.execPath), command }
    } catch {
      return undefined
    }
  }
  const [node, command] = [find(system, 'node'), find(system, 'linux-kexec')]
  return node === undefined || command === undefined ? undefined : { node, command }
}

/**
 * @throws Error when it does not exist, or when its name is not UTF-8: as text, that would name another file
 */
function exactPath(path: string): string {
  const bytes = realpathSync(path, { encoding: 'buffer' })
  const text = bytes.toString('utf8')
  if (!Buffer.from(text).equals(bytes)) throw new Error('no UTF-8')
  return text
}

function find(system: System, name: string): string | undefined {
  for (const directory of DIRECTORIES) {
    try {
      const path = system.resolve(`${directory}/${name}`)
      if (system.stat(path)?.isFile()) return path
    } catch {
      // Not in this directory.
    }
  }
  return undefined
}

/**
 * All files that run when a script calls the program: Node, the command, and the addon in each place where it is looked
 * for.
 */
export function filesOfProgram({ node, command }: Program): string[] {
  const directory = posix.dirname(posix.dirname(command))
  const addons = ['build/Release/linux_kexec.node', `prebuilds/linux-${process.arch}/linux_kexec.node`]
  return [node, command, posix.join(directory, 'package.json'), ...addons.map((path) => posix.join(directory, path))]
}
