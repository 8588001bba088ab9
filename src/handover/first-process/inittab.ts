import type { System } from '../../system/system.ts'

/** One line of /etc/inittab: init's action in some runlevels. Format: inittab(5) of sysvinit. */
export interface InittabEntry {
  readonly id: string
  readonly runlevels: string
  readonly action: string
  readonly process: string
}

/**
 * The entries of /etc/inittab in their order, then those of /etc/inittab.d (sysvinit 3); undefined where there is no
 * /etc/inittab. Other lines are skipped, as by init.
 */
export function readInittab(system: System): InittabEntry[] | undefined {
  const text = system.readText('/etc/inittab')
  if (text === undefined) return undefined
  const parts = [...system.readTexts('/etc/inittab.d', (name) => name.endsWith('.tab'))].map(([, part]) => part ?? '')
  return [text, ...parts].flatMap((part) => part.split('\n')).flatMap(parseEntry)
}

function parseEntry(line: string): InittabEntry[] {
  const [, id, runlevels, action, process] = /^\s*([^#:\s][^:]*):([^:]*):([^:]*):(.*)$/.exec(line) ?? []
  if (id === undefined || runlevels === undefined || action === undefined || process === undefined) return []
  // A plus sign keeps init from writing accounting records.
  return [{ id, runlevels, action, process: process.trim().replace(/^\+/, '') }]
}

/** The commands that init starts once when it enters runlevel 6, reboot, in sequence. */
export function rebootEntries(entries: readonly InittabEntry[]): InittabEntry[] {
  return entries.filter(({ runlevels, action }) => runlevels.includes('6') && (action === 'wait' || action === 'once'))
}
