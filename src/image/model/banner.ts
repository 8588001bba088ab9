import { type ByteSource, readInto } from '../../bytes/bytes.ts'

/** How every kernel's version line begins: linux_banner, init/version.c and init/version-timestamp.c. */
const BANNER = Buffer.from('Linux version ')
const LONGEST = 512
const WINDOW = 1024 * 1024

export interface Version {
  /** As `uname -r` prints it. */
  readonly version: string
  /** The rest of the line after "Linux version ". */
  readonly versionString: string
}

/**
 * Searches bytes for the version line. The word alone, as in a format string, does not count: a release begins with a
 * digit.
 */
export function versionIn(bytes: Buffer, isWanted = (_version: Version) => true): Version | undefined {
  for (let at = bytes.indexOf(BANNER); at >= 0; at = bytes.indexOf(BANNER, at + 1)) {
    const text = bytes.toString('latin1', at + BANNER.length, Math.min(bytes.length, at + LONGEST))
    // One digit behind the dot: more would match in two ways, and 500 digits would take a quarter of a million steps.
    const line = /^(\d+\.\d[!-~]*) \([ -~]*/.exec(text)
    if (line === null) continue
    const version = { version: line[1] as string, versionString: line[0] }
    if (isWanted(version)) return version
  }
  return undefined
}

/**
 * Whether a version line has its build number. Since 6.1 a kernel holds one without before the one that counts, because
 * the build adds the number and the time in its last step (init/version.c is linked once, init/version-timestamp.c each
 * time).
 */
export function isComplete({ versionString }: Version): boolean {
  return / #\d/.test(versionString)
}

/** Searches for the version line between two offsets, a piece at a time. @param isWanted selects among several */
export function findVersion(
  source: ByteSource,
  start: number,
  end: number,
  isWanted?: (version: Version) => boolean,
): Version | undefined {
  if (!(start < end)) return undefined
  const space = Buffer.allocUnsafe(Math.min(WINDOW, end - start))
  for (let offset = start; offset < end; offset += WINDOW - LONGEST) {
    const bytes = readInto(source, space.subarray(0, end - offset), offset)
    const found = versionIn(bytes, isWanted)
    if (found !== undefined || bytes.length < WINDOW) return found
  }
  return undefined
}

/** Finds the version line in a stream, a chunk at a time. One with a build number takes precedence. */
export class VersionWatch {
  found: Version | undefined
  #kept: Buffer = Buffer.alloc(0)

  see(chunk: Buffer): void {
    if (this.found !== undefined && isComplete(this.found)) return
    const seam = Buffer.concat([this.#kept, chunk.subarray(0, LONGEST)])
    const wanted = this.found === undefined ? undefined : isComplete
    this.found = versionIn(seam, wanted) ?? versionIn(chunk, wanted) ?? this.found
    this.#kept = Buffer.from(chunk.subarray(-LONGEST))
  }
}
