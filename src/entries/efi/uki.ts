import { closeSync, fstatSync } from 'node:fs'
import { type ByteSource, fileBytes } from '../../bytes/bytes.ts'
import { hasProfiles, MAX_TEXT, profilesOf, sectionText } from '../../image/formats/uki.ts'
import { type PeSection, readPeFile, sectionSize } from '../../image/model/pe-sections.ts'
import type { System } from '../../system/system.ts'
import { HEAD_BYTES, identifyKernel } from '../names/identify.ts'
import { openRegular, unreadable } from './companions.ts'

/**
 * A unified kernel image (https://uapi-group.org/specifications/specs/unified_kernel_image/) as far as a menu needs it: an
 * EFI program that carries kernel, initrd and command line in its sections.
 */
export interface UnifiedImage {
  readonly architecture: string | null
  /** Whether it has any `.profile`; without one, the image itself is the only profile. */
  readonly hasProfiles: boolean
  /** The sections of each profile; at least one. */
  readonly profiles: readonly ImageProfile[]
}

export interface ImageProfile {
  /** Whether it holds a kernel: boot loaders and addons are EFI programs with sections as well. */
  readonly hasKernel: boolean
  /** Whether it has an initrd of its own. */
  readonly hasInitrd: boolean
  /** Texts of the sections; null when there is none. */
  readonly osRelease: string | null
  readonly commandLine: string | null
  readonly profile: string | null
  readonly uname: string | null
  /** Kernel release: .uname, else the inner kernel's own. */
  readonly release: string | null
  /** Its fault, to complete a sentence that begins with the file's path. */
  readonly faults: readonly string[]
}

/**
 * @returns the image, or the file's fault, to complete a sentence that begins with its path.
 */
export function readUnifiedImage(system: System, path: string): UnifiedImage | string {
  const fd = openRegular(system, path)
  if (typeof fd === 'string') return fd
  try {
    return imageOf(fileBytes(fd, fstatSync(fd).size))
  } catch (error) {
    return unreadable(error)
  } finally {
    closeSync(fd)
  }
}

function imageOf(source: ByteSource): UnifiedImage | string {
  const file = readPeFile(source)
  if (typeof file === 'string') return file
  return {
    architecture: file.architecture,
    hasProfiles: hasProfiles(file.sections),
    profiles: profilesOf(file.sections).map(({ own, sections }) => profileOf(source, own, sections)),
  }
}

function profileOf(source: ByteSource, own: readonly PeSection[], sections: readonly PeSection[]): ImageProfile {
  const faults: string[] = []
  // Of several with one name the first counts.
  const section = (name: string) => sections.find((each) => each.name === name)
  const isWhole = (found: PeSection | undefined): found is PeSection => {
    if (found === undefined) return false
    const isTruncated = found.offset + Math.min(sectionSize(found), MAX_TEXT) > source.size
    if (isTruncated) faults.push(`is truncated: it ends before its section ${found.name} does`)
    return !isTruncated
  }
  const text = (name: string) => {
    const found = section(name)
    if (!isWhole(found)) return null
    const size = sectionSize(found)
    if (size > MAX_TEXT)
      faults.push(`has ${size} bytes in its section ${name}, of which the first ${MAX_TEXT} are read`)
    return sectionText(source, found)
  }
  const kernel = section('.linux')
  const uname = text('.uname')
  return {
    hasKernel: kernel !== undefined,
    hasInitrd: section('.initrd') !== undefined,
    osRelease: text('.osrel'),
    commandLine: text('.cmdline'),
    profile: own.length === 0 ? null : text('.profile'),
    uname,
    release: uname?.trim() || (isWhole(kernel) ? releaseInside(source, kernel) : null),
    faults,
  }
}

function releaseInside(source: ByteSource, kernel: PeSection): string | null {
  const size = sectionSize(kernel)
  return identifyKernel(source.read(kernel.offset, Math.min(size, HEAD_BYTES)), size).version
}
