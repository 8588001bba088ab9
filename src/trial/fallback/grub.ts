import { posix } from 'node:path'
import { readBootMenu } from '../../entries/discover.ts'
import type { BootLoader, BootMenu } from '../../entries/model/boot-menu.ts'
import type { BootEntry } from '../../entries/model/entry.ts'
import type { System } from '../../system/system.ts'
import { readBlock } from '../grub/block-file.ts'
import { setVariable, variableIn } from '../grub/environment-block.ts'
import type { FallbackChange } from '../model/fallback.ts'
import { judgeRollback, type RollbackVerdict, type Tried } from '../rollback.ts'
import { OverlaidSystem } from './overlaid-system.ts'

/** Where GRUB keeps its environment block, besides the directory of its configuration. */
const DIRECTORIES = ['/boot/grub', '/boot/grub2', '/grub', '/grub2']

/**
 * The variables that a configuration may choose its default by. `saved_entry` stays: it is better than `next_entry`, which
 * GRUB removes at the first boot, so that a second reset would start the kernel on trial.
 */
const VARIABLES = ['saved_entry', 'next_entry'] as const

/** A change with which GRUB boots the fallback. */
export interface GrubFallback {
  readonly change: FallbackChange
  readonly rollback: Extract<RollbackVerdict, { verdict: 'sure' }>['rollback']
}

/**
 * Finds the change of an environment block with which GRUB would boot an entry. Each candidate is tried: the real
 * configuration is evaluated with it. Writes nothing.
 * @returns in words why there is none, when there is none
 */
export async function planGrubFallback(
  system: System,
  menu: BootMenu,
  loader: BootLoader,
  entry: BootEntry,
  tried: Tried,
): Promise<GrubFallback | string> {
  const blocks = blocksOf(system, loader)
  const problems: string[] = []
  for (const variable of VARIABLES)
    for (const { path, block } of blocks)
      for (const value of namesOf(entry, menu)) {
        const content = setVariable(block, variable, value)
        if (typeof content === 'string') {
          problems.push(`${path}: ${content}`)
          continue
        }
        const changed = new OverlaidSystem(system.root, path, content)
        const then = await readBootMenu({ system: changed })
        const verdict = judgeRollback(changed, then, tried)
        if (verdict.verdict !== 'sure' || verdict.rollback.entry !== entry.id || isByAccident(then)) continue
        const change = { path, variable, value, before: variableIn(block, variable) }
        return { change, rollback: verdict.rollback }
      }
  if (blocks.length === 0) return 'GRUB has no environment block here: grub-editenv create makes one'
  const [problem] = problems
  return problem ?? `${loader.config} does not choose its default by ${VARIABLES.join(' or ')}`
}

/** GRUB boots the first entry where a name means none. */
function isByAccident({ loaders }: BootMenu): boolean {
  return loaders.some(({ inCharge, problems }) => inCharge && problems.some(({ code }) => code === 'unknown-default'))
}

/** The environment blocks that are there, each once. */
function blocksOf(system: System, { config }: BootLoader): { readonly path: string; readonly block: Buffer }[] {
  const paths = [posix.dirname(config), ...DIRECTORIES].map((directory) => posix.join(directory, 'grubenv'))
  const found = new Map<string, Buffer>()
  for (const path of paths) {
    try {
      const resolved = system.resolve(path)
      found.set(resolved, readBlock(system, resolved))
    } catch {
      // It is not there.
    }
  }
  return [...found].map(([path, block]) => ({ path, block }))
}

/** The ways to name an entry to GRUB, behind its submenus; a `>` in a name is written twice. */
function namesOf({ id, title, submenus }: BootEntry, { entries }: BootMenu): string[] {
  const isUnique = entries.filter((each) => each.title === title).length === 1
  const names = [...new Set(isUnique ? [id, title] : [id])]
  return names.map((name) => [...submenus, name].map((part) => part.replaceAll('>', '>>')).join('>'))
}
