import { type ByteSource, readInto } from './bytes.ts'

/** How every kernel's version line begins: linux_banner, init/version.c and init/version-timestamp.c. */
const BANNER = Buffer.from('Linux version ')
const LONGEST = 512
const WINDOW = 1024 * 1024

export interface Version {
  /** As `uname -r` prints it. */
  readonly version: string
  /** All of the line after "Linux version ". */
  readonly versionString: string
}

/** Looks for the version line in bytes. The word alone, as in a format string, does not count: a release begins with a digit. */
export function versionIn(bytes: Buffer): Version | undefined {
  for (let at = bytes.indexOf(BANNER); at >= 0; at = bytes.indexOf(BANNER, at + 1)) {
    const text = bytes.toString('latin1', at + BANNER.length, Math.min(bytes.length, at + LONGEST))
    // One digit behind the dot: more would match in two ways, and 500 digits take a quarter of a million steps.
    const line = /^(\d+\.\d[!-~]*) \([ -~]*/.exec(text)
    if (line !== null) return { version: line[1] as string, versionString: line[0] }
  }
  return undefined
}

/** Looks for the version line between two offsets, a piece at a time. */
export function findVersion(source: ByteSource, start: number, end: number): Version | undefined {
  if (!(start < end)) return undefined
  const space = Buffer.allocUnsafe(Math.min(WINDOW, end - start))
  for (let offset = start; offset < end; offset += WINDOW - LONGEST) {
    const bytes = readInto(source, space.subarray(0, end - offset), offset)
    const found = versionIn(bytes)
    if (found !== undefined || bytes.length < WINDOW) return found
  }
  return undefined
}

/** Finds the version line in what passes by, a chunk at a time. */
export class VersionWatch {
  found: Version | undefined
  #kept: Buffer = Buffer.alloc(0)

  see(chunk: Buffer): void {
    if (this.found !== undefined) return
    const seam = Buffer.concat([this.#kept, chunk.subarray(0, LONGEST)])
    this.found = versionIn(seam) ?? versionIn(chunk)
    this.#kept = Buffer.from(chunk.subarray(-LONGEST))
  }
}
