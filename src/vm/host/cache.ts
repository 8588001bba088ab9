import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

/** Age in milliseconds after which a half-made entry is taken for left behind by a killed process. */
const ABANDONED = 6 * 60 * 60 * 1000

/** The place of kernels, packages and guest images: $XDG_CACHE_HOME/linux-kexec, else ~/.cache/linux-kexec. */
export function cacheDirectory(): string {
  const base = process.env['XDG_CACHE_HOME']
  return join(base?.startsWith('/') ? base : join(homedir(), '.cache'), 'linux-kexec')
}

/**
 * A directory of the cache, made by `build` when it is missing. It appears whole or not at all: made under another
 * name, then renamed. Of two processes making the same directory, one wins and the other throws its copy away.
 */
export async function cachedDirectory(path: string, build: (directory: string) => Promise<void>): Promise<string> {
  if (await present(path)) {
    await markUsed(path)
    return path
  }
  await mkdir(dirname(path), { recursive: true })
  const unfinished = `${path}.${randomBytes(6).toString('hex')}.unfinished`
  await mkdir(unfinished)
  try {
    await build(unfinished)
    await rename(unfinished, path).catch(async (error: unknown) => {
      if (!(await present(path))) throw error
    })
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
  return path
}

/**
 * Removes directories that were not used lately: all but the `keep` youngest, of those only the ones older than `age`
 * milliseconds.
 */
export async function prune(directory: string, keep: number, age: number): Promise<void> {
  const found: { path: string; time: number }[] = []
  for (const name of await readdir(directory).catch(() => [])) {
    const path = join(directory, name)
    const stats = await stat(path).catch(() => undefined)
    // The time of the last change to the directory itself: unpacking and `markUsed` set it, no archive can.
    if (stats) found.push({ path, time: stats.ctimeMs })
  }
  found.sort((a, b) => b.time - a.time)
  const now = Date.now()
  for (const [index, { path, time }] of found.entries()) {
    const abandoned = path.endsWith('.unfinished') && now - time > ABANDONED
    const unused = !path.endsWith('.unfinished') && index >= keep && now - time > age
    if (abandoned || unused) await rm(path, { recursive: true, force: true })
  }
}

/** Notes that a directory is in use, for `prune`. */
export async function markUsed(path: string): Promise<void> {
  const now = new Date()
  await utimes(path, now, now).catch(() => {})
}

/** Writes a file so that any concurrent reader sees the old or the new one. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const unfinished = `${path}.${randomBytes(6).toString('hex')}.unfinished`
  await writeFile(unfinished, text)
  await rename(unfinished, path)
}

export async function present(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
