import { lstatSync, readlinkSync, type Stats } from 'node:fs'
import { posix } from 'node:path'
import type { System } from './system.ts'

/** A user besides root and this one who could replace a file. */
export interface Exposure {
  /** The path they may change: the file, a link to it, or a directory on the way to either. */
  readonly path: string
  /** 'is writable by every user', 'belongs to user 1000'. */
  readonly how: string
  /** The culprit as a subject: 'anyone', 'who', 'they'. */
  readonly who: string
}

const GROUP_WRITES = 0o020
const OTHERS_WRITE = 0o002
const STICKY = 0o1000

/** Links that are followed before a path counts as a loop. */
const MAX_LINKS = 40

/**
 * The users who could replace a path's target: as in sshd's StrictModes, every component must be owned by root or by
 * this user, and be writable by nobody else. That is the file, each directory up to the root, every link on the way,
 * and each directory up from its target. In a sticky directory (/tmp) root's own files are safe. An access list that
 * lets others write shows as a permission of the group (its mask, acl(5)). One line for each culprit, with the topmost
 * component that it can change.
 * @param path as seen inside the root; a missing file exposes nothing
 */
export function exposuresOf(system: System, path: string): Exposure[] {
  const found = new Map<string, Exposure>()
  for (const exposure of walk(system, path)) {
    if (!found.has(exposure.how)) found.set(exposure.how, exposure)
  }
  return [...found.values()]
}

/** From the root down, as the kernel looks up the path. */
function* walk(system: System, path: string): Generator<Exposure> {
  const trusted = trustedUsers(system)
  const host = (inside: string) => posix.join(system.root, inside)
  const pending = path.split('/').reverse()
  let at = '/'
  let links = 0
  let directory = statsOf(host(at))
  if (directory === undefined) return
  yield* exposedBy(at, directory, trusted)
  while (pending.length > 0) {
    const part = pending.pop() as string
    if (part === '' || part === '.') continue
    const next = part === '..' ? posix.dirname(at) : posix.join(at, part)
    const stats = statsOf(host(next))
    if (stats === undefined) return
    if (stats.isSymbolicLink()) {
      // A link has no content to write; in a sticky directory its owner may replace it.
      if ((directory.mode & STICKY) !== 0) yield* ownedBy(next, stats, trusted)
      const target = ++links > MAX_LINKS ? undefined : targetOf(host(next))
      if (target === undefined) return
      pending.push(...target.split('/').reverse())
      if (target.startsWith('/')) at = '/'
    } else {
      yield* exposedBy(next, stats, trusted)
      at = next
    }
    directory = statsOf(host(at))
    if (directory === undefined) return
  }
}

function* exposedBy(path: string, stats: Stats, trusted: ReadonlySet<number>): Generator<Exposure> {
  yield* ownedBy(path, stats, trusted)
  // A component that only its owner may replace is safe in a directory that others may write to: its own owner counts
  // there.
  if (stats.isDirectory() && (stats.mode & STICKY) !== 0) return
  if ((stats.mode & OTHERS_WRITE) !== 0) yield { path, how: 'is writable by every user', who: 'anyone' }
  else if ((stats.mode & GROUP_WRITES) !== 0)
    yield { path, how: `is writable by group ${stats.gid}, or by those whom its access list names`, who: 'they' }
}

function* ownedBy(path: string, { uid }: Stats, trusted: ReadonlySet<number>): Generator<Exposure> {
  if (!trusted.has(uid)) yield { path, how: `belongs to user ${uid}`, who: 'who' }
}

/**
 * Root, and the user who runs this. In a user namespace, files of the outer root and of outer users all show as
 * nobody's, so no conclusion is possible.
 */
function trustedUsers(system: System): Set<number> {
  const users = new Set([0, process.geteuid?.() ?? 0])
  const map = system.readText('/proc/self/uid_map')?.trim().replace(/\s+/g, ' ')
  const overflow = Number(system.readText('/proc/sys/kernel/overflowuid')?.trim() ?? 65534)
  if (system.isLive && map !== undefined && map !== '0 0 4294967295') users.add(overflow)
  return users
}

function statsOf(path: string): Stats | undefined {
  try {
    return lstatSync(path)
  } catch {
    return undefined
  }
}

function targetOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

/**
 * One sentence for each culprit, for several files together: who can change which path, and which of the files that
 * replaces.
 */
export function exposureWarnings(system: System, paths: readonly string[]): string[] {
  const byCulprit = new Map<string, { readonly exposure: Exposure; readonly files: Set<string> }>()
  for (const path of new Set(paths)) {
    for (const exposure of exposuresOf(system, path)) {
      const key = `${exposure.path}\0${exposure.how}`
      const known = byCulprit.get(key) ?? { exposure, files: new Set<string>() }
      known.files.add(path)
      byCulprit.set(key, known)
    }
  }
  return [...byCulprit.values()].map(({ exposure: { path, how, who }, files }) => {
    const others = [...files].filter((file) => file !== path)
    const more = others.length > 3 ? ` and ${others.length - 3} more` : ''
    const what = others.length === 0 ? 'it' : `${others.slice(0, 3).join(', ')}${more}`
    return `${path} ${how}${who === 'who' ? ',' : ':'} ${who} could replace ${what}`
  })
}
