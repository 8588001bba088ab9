import { lstatSync } from 'node:fs'
import { bytesOfText } from '../exact-text.ts'
import type { System } from '../system/system.ts'
import { type Hook, type HookFile, type HookLines, type HookLink, type HookPart, MARK, marksOf } from './hook.ts'

/**
 * absent · installed: exactly as it should be · outdated: ours, and different · foreign: a foreign file lies at its
 * place.
 */
export type HookState = 'absent' | 'installed' | 'outdated' | 'foreign'

/** One change to one file, for review before it is made. */
export interface HookChange {
  readonly path: string
  readonly kind: HookPart['kind']
  readonly action: 'create' | 'replace' | 'edit' | 'remove'
  /** Its new permission bits; null for a link, and for a removal. */
  readonly mode: number | null
  /** The present text, or the link's target; null where there is no file. Bytes as latin1. */
  readonly old: string | null
  /** Null for a removal. */
  readonly new: string | null
}

interface Part {
  readonly state: HookState
  /** The change that installs it; undefined when it is installed, or when it may not be touched. */
  readonly install?: HookChange
  /** The change that removes it; undefined when nothing of ours is there. */
  readonly remove?: HookChange
}

/** A hook's state on a machine. */
export interface HookStanding {
  readonly state: HookState
  /** The foreign files at its places. */
  readonly foreign: readonly string[]
  /** The changes of `installHandover`; none where a foreign file is in the way. */
  readonly toInstall: readonly HookChange[]
  /** The changes of `removeHandover`. */
  readonly toRemove: readonly HookChange[]
}

/** Compares a hook with the files at its places. */
export function examineHook(system: System, hook: Hook): HookStanding {
  const parts = hook.parts.map((part) => ({ path: part.path, ...examinePart(system, part) }))
  const foreign = parts.filter(({ state }) => state === 'foreign').map(({ path }) => path)
  const every = (wanted: HookState) => parts.every(({ state }) => state === wanted)
  return {
    state: foreign.length > 0 ? 'foreign' : every('installed') ? 'installed' : every('absent') ? 'absent' : 'outdated',
    foreign,
    toInstall: foreign.length > 0 ? [] : parts.flatMap(({ install }) => install ?? []),
    toRemove: parts.flatMap(({ remove }) => remove ?? []).reverse(),
  }
}

function examinePart(system: System, part: HookPart): Part {
  if (part.kind === 'file') return examineFile(system, part)
  return part.kind === 'link' ? examineLink(system, part) : examineLines(system, part)
}

/** We write UTF-8; here it is compared byte by byte with the file. */
function bytesOf(text: string): string {
  return bytesOfText(text).toString('latin1')
}

function examineFile(system: System, { path, mode, text: wanted, mark = MARK }: HookFile): Part {
  const text = bytesOf(wanted)
  const created: HookChange = { path, kind: 'file', action: 'create', mode, old: null, new: text }
  if (!system.exists(path)) return { state: 'absent', install: created }
  const old = isPlainFile(system, path) ? system.readBytes(path) : undefined
  if (old === undefined || !old.includes(mark)) return { state: 'foreign' }
  const remove: HookChange = { path, kind: 'file', action: 'remove', mode: null, old, new: null }
  if (old === text && ((system.stat(path)?.mode ?? 0) & 0o777) === mode) return { state: 'installed', remove }
  return { state: 'outdated', install: { ...created, action: 'replace', old }, remove }
}

function examineLink(system: System, { path, target }: HookLink): Part {
  if (!system.exists(path))
    return { state: 'absent', install: { path, kind: 'link', action: 'create', mode: null, old: null, new: target } }
  if (system.readLink(path) !== target) return { state: 'foreign' }
  return {
    state: 'installed',
    remove: { path, kind: 'link', action: 'remove', mode: null, old: target, new: null },
  }
}

function examineLines(system: System, part: HookLines): Part {
  const { path } = part
  const edit = (old: string | null, text: string | null): HookChange => {
    const action = old === null ? 'create' : text === null ? 'remove' : 'edit'
    const mode = text === null ? null : (system.stat(path)?.mode ?? 0o644) & 0o7777
    return { path, kind: 'lines', action, mode, old, new: text }
  }
  if (!system.exists(path)) return { state: 'absent', install: edit(null, insertLines('', part)) }
  const old = system.readBytes(path)
  const without = old === undefined ? undefined : withoutLines(old, part.owner)
  if (old === undefined || without === undefined) return { state: 'foreign' }
  const wanted = insertLines(without, part)
  if (old === without) return { state: 'absent', install: edit(old, wanted) }
  const remove = edit(old, without === '' ? null : without)
  const isThere = old === wanted || (part.anywhere === true && old.includes(insertLines('', part)))
  return isThere ? { state: 'installed', remove } : { state: 'outdated', install: edit(old, wanted), remove }
}

/** A text, its bytes as latin1, with our lines in it. */
export function insertLines(
  text: string,
  { lines, before, owner }: Pick<HookLines, 'lines' | 'before' | 'owner'>,
): string {
  const { begin, end } = marksOf(owner)
  const block = bytesOf([begin, ...lines, end].join('\n'))
  let start = 0
  for (const line of before === undefined ? [] : text.split('\n')) {
    if (before?.test(line)) return `${text.slice(0, start)}${block}\n${text.slice(start)}`
    start += line.length + 1
  }
  // Where the last line has no end, ours has none either; their removal relies on that.
  return text === '' || text.endsWith('\n') ? `${text}${block}\n` : `${text}\n${block}`
}

/** The text as it was before our lines were put in; undefined when one mark is there without the other, or twice. */
export function withoutLines(text: string, owner?: string): string | undefined {
  const marks = marksOf(owner)
  const lines = text.split('\n')
  const begins = lines.filter((line) => line === marks.begin).length
  const ends = lines.filter((line) => line === marks.end).length
  if (begins === 0 && ends === 0) return text
  const [begin, end] = [lines.indexOf(marks.begin), lines.indexOf(marks.end)]
  if (begins !== 1 || ends !== 1 || end < begin) return undefined
  lines.splice(begin, end - begin + 1)
  return lines.join('\n')
}

/** Whether the name itself is a file, and not a link to one. */
function isPlainFile(system: System, path: string): boolean {
  try {
    return lstatSync(system.pathForWriting(path)).isFile()
  } catch {
    return false
  }
}
