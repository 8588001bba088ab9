import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { layDirectory } from '../fixtures.ts'

/**
 * Scripts that share one machine, test/fixtures/grub-scripts: the machine's files as a fixture of test/fixtures/boot has
 * them, one configuration for each of `scripts/`, and in `expected.json` what the real GRUBs made of them.
 */
const directory = join(import.meta.dirname, '../../../fixtures/grub-scripts')

export const grubScripts = {
  disk: join(directory, 'disk.txt'),
  expected: join(directory, 'expected.json'),
  names: readdirSync(join(directory, 'scripts'))
    .map((name) => name.replace(/\.cfg$/, ''))
    .sort(),
} as const

/** The text of a script. */
export function grubScript(name: string): string {
  return readFileSync(join(directory, 'scripts', `${name}.cfg`), 'utf8')
}

/** Makes the tree that they share. */
export function layGrubMachine(root: string): void {
  layDirectory(directory, root)
}

/** An entry of GRUB's menu, as GRUB itself carried it out. */
export interface JudgedEntry {
  readonly submenus: readonly string[]
  readonly title: string
  /** GRUB's id of it, the title when it has none; null when nothing that it calls told. */
  readonly id: string | null
  /** Paths in the tree. */
  readonly kernel: string | null
  readonly initrds: readonly string[]
  /** As GRUB's linux command would hand it to the kernel, without BOOT_IMAGE. */
  readonly commandLine: string | null
  readonly deviceTree?: string
  /** Commands that load something else, with their arguments: `chainloader +1`. */
  readonly others?: readonly string[]
}

/** What GRUBs of these versions made of a script. */
export interface JudgedScript {
  readonly versions: readonly string[]
  readonly default: number | null
  readonly entries: readonly JudgedEntry[]
}

export function readJudgements(): Readonly<Record<string, readonly JudgedScript[]>> {
  return JSON.parse(readFileSync(grubScripts.expected, 'utf8'))
}
