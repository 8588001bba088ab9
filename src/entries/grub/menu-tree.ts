import type { FoundEntry } from '../model/found-entry.ts'
import { problemsOf } from '../model/problem.ts'
import { BootCommands } from './interpreter/boot-commands.ts'
import type { Interpreter } from './interpreter/interpreter.ts'
import type { MenuContext, MenuItem } from './interpreter/menu.ts'
import { Environment } from './script/environment.ts'
import type { Value } from './script/values.ts'

/** A menu with the starts of its entries and the contents of its submenus. */
export interface MenuNode {
  readonly item: MenuItem
  /** For an entry. */
  readonly entry: FoundEntry | null
  /** For a submenu, and for an entry that opens another menu. */
  readonly menu: MenuLevel | null
}

export interface MenuLevel {
  readonly nodes: MenuNode[]
  /** Its own `default`; null when it is not set. */
  readonly default: string | null
  /** Its own `timeout`; null when it is not set. */
  readonly timeout: Value | null
}

interface Pending {
  readonly context: MenuContext
  readonly level: MenuLevel
  readonly submenus: readonly string[]
}

/** Submenus with more entries altogether are cut off; each is bounded by itself as well. */
const MAX_ENTRIES = 15_000

/**
 * Runs the body of every entry, which shows its start, and of every submenu, which shows its entries; each with the
 * final variables of its menu, and without effects on the others.
 */
export async function menuTree(run: Interpreter, top: MenuContext): Promise<MenuLevel> {
  const { budget } = run.survey
  const root = levelOf(run, top)
  // A stack of our own: submenus may be nested a thousand deep.
  const pending: Pending[] = [{ context: top, level: root, submenus: [] }]
  let count = 0
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { context, level, submenus } = next
    const inner: Pending[] = []
    for (const item of context.items) {
      if (++count > MAX_ENTRIES) {
        run.problem('left-out', `${item.config}: there are more than ${MAX_ENTRIES} entries; the rest is left out.`)
        return root
      }
      await budget.pause()
      // Every scope is copied.
      const copied = context.functions.size + (item.isSubmenu ? context.environment.exports : 0)
      if (!budget.has('steps') || !budget.take('steps', Math.ceil(copied / 4))) return root
      const node = nodeOf(run, item, context, submenus)
      // One that ended too soon would be shown with half of its effects.
      if (!budget.hasRoom) return root
      if (node.node.entry !== null && !budget.afford(node.node.entry)) continue
      level.nodes.push(node.node)
      if (node.context !== null && node.node.menu !== null)
        inner.push({ context: node.context, level: node.node.menu, submenus: [...submenus, item.title] })
    }
    pending.push(...inner.reverse())
  }
  return root
}

function levelOf(run: Interpreter, context: MenuContext): MenuLevel {
  let preset: string | null = null
  let timeout: Value | null = null
  run.inContext(context, [], () => {
    const value = run.get('default')
    preset = value === undefined ? null : run.text('default')
    if (typeof value === 'object') run.problem('uncertain', `Which entry is the default depends on ${value.why}.`)
    timeout = run.get('timeout') ?? null
  })
  return { nodes: [], default: preset, timeout }
}

function nodeOf(
  run: Interpreter,
  item: MenuItem,
  { environment, functions }: MenuContext,
  submenus: readonly string[],
): { node: MenuNode; context: MenuContext | null } {
  if (item.ready !== undefined) {
    const { uncertainties } = item
    const known = item.ready.uncertainties ?? []
    return {
      node: { item, entry: { ...item.ready, submenus, uncertainties: [...known, ...uncertainties] }, menu: null },
      context: null,
    }
  }
  const inner = item.isSubmenu ? environment.exportedOnly() : new Environment(environment)
  const context: MenuContext = { environment: inner, functions: new Map(functions), items: [] }
  run.boot = new BootCommands()
  run.opened = null
  run.inContext(context, item.arguments, () => {
    run.set('chosen', item.id)
    // The rest of a default that leads further in; without one the submenu's first entry is taken.
    run.set('default', undefined)
    const { script, body } = item
    run.config = script === undefined ? item.config : `${item.config}, which GRUB runs as a script`
    run.bounded(() => (script === undefined ? run.run(body) : run.runText(script)))
    run.finish()
  })
  const opened = run.opened as MenuContext | null
  run.opened = null
  if (opened !== null || item.isSubmenu) {
    const shown = opened ?? context
    return { node: { item, entry: null, menu: levelOf(run, shown) }, context: shown }
  }
  return { node: { item, entry: entryOf(run, item, submenus), menu: null }, context: null }
}

function entryOf(run: Interpreter, item: MenuItem, submenus: readonly string[]): FoundEntry {
  const boot = run.boot.result()
  const { id, title, config, source, version, machineId } = item
  return {
    id,
    title,
    ...(source === undefined ? {} : { source }),
    ...(version === undefined ? {} : { version }),
    ...(machineId === undefined ? {} : { machineId }),
    submenus,
    config,
    ...(boot ?? {
      kernel: null,
      initrds: [],
      commandLine: null,
      problems: problemsOf('no-kernel', ['It starts nothing.']),
    }),
    uncertainties: [...item.uncertainties, ...(boot?.uncertainties ?? [])],
  }
}

/** The entries in the visible order, submenus in their place. */
export function entriesOf(level: MenuLevel): FoundEntry[] {
  const entries: FoundEntry[] = []
  const pending: MenuNode[] = [...level.nodes].reverse()
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (node.entry !== null) entries.push(node.entry)
    if (node.menu !== null)
      for (let at = node.menu.nodes.length - 1; at >= 0; at--) pending.push(node.menu.nodes[at] as MenuNode)
  }
  return entries
}
