import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { System } from '../../../src/system/system.ts'
import { kernelOf } from './tree.ts'

/**
 * Trees that real tools made, test/fixtures/boot/NAME: the text files of a tree in `root/`, what else it holds in
 * `kernels.txt`, how it came to be in `make.sh` or `README.md`, and what the real boot loader makes of it in `expected.json`.
 */
const directory = join(import.meta.dirname, '../../fixtures/boot')

/** Every tree there is. */
export const fixtureNames: readonly string[] = readdirSync(directory, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(join(directory, entry.name, 'root')))
  .map(({ name }) => name)
  .sort()

/** Path of a file that belongs to a fixture, as 'expected.json'. */
export function fixtureFile(name: string, file: string): string {
  return join(directory, name, file)
}

/** Makes the tree of a fixture in a temporary directory, gone again when the test is over. @returns its path. */
export function fixtureRoot(name: string): string {
  const root = mkdtempSync(join(tmpdir(), 'linux-kexec-fixture-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  layFixture(name, root)
  return root
}

export function fixtureSystem(name: string): System {
  return new System(fixtureRoot(name))
}

/** Makes the tree of a fixture in a directory that is there. */
export function layFixture(name: string, root: string): void {
  layDirectory(join(directory, name), root)
}

/** Makes a tree of the `root/` and `kernels.txt` of any directory. */
export function layDirectory(source: string, root: string): void {
  cpSync(join(source, 'root'), root, { recursive: true, verbatimSymlinks: true })
  const list = join(source, 'kernels.txt')
  if (!existsSync(list)) return
  for (const line of readFileSync(list, 'utf8').split('\n')) {
    if (line !== '' && !line.startsWith('#')) place(root, line)
  }
}

/** One line of kernels.txt: a kind, a path in the tree, and for some a third word. Spaces in paths are written as \040. */
function place(root: string, line: string): void {
  const [kind, path, argument] = line.split(' ').map((word) => word.replaceAll('\\040', ' '))
  if (!path?.startsWith('/')) throw new Error(`kernels.txt: not an absolute path: ${line}`)
  const host = join(root, path)
  mkdirSync(dirname(host), { recursive: true })
  if (kind === 'kernel' && argument !== undefined) writeFileSync(host, kernelOf(argument))
  else if (kind === 'link' && argument !== undefined) symlinkSync(argument, host)
  else if (kind === 'initrd') writeFileSync(host, '070701')
  else if (kind === 'file') writeFileSync(host, 'some bytes\n')
  else if (kind === 'directory') mkdirSync(host, { recursive: true })
  else throw new Error(`kernels.txt: not understood: ${line}`)
}
