import { isDeepStrictEqual } from 'node:util'
import type { Evidence } from '../errors.ts'
import { System } from '../system/system.ts'
import { type FileIdentity, hashWhole, whatChanged } from './file-identity.ts'
import { heldImage, imagePointers } from './fingerprint.ts'
import { StateFolder } from './folder.ts'
import { isHeld, UNREADABLE } from './held.ts'
import type { HeldImage } from './held-image.ts'
import { bootIdOf, type ImageKind, type LoadRecord, parseRecord, recordName } from './record.ts'
import { writeRecord } from './remember.ts'

/**
 * Whose the image is that the kernel holds:
 * - 'none': it holds none
 * - 'ours': linux-kexec loaded it, and it is still that one
 * - 'unconfirmed': linux-kexec loaded one, and whether it is still that one cannot be told
 * - 'replaced': linux-kexec loaded one, and someone else has loaded another since
 * - 'foreign': something else than linux-kexec loaded it
 * - 'unknown': the records cannot be read, or not be believed
 * - 'unreadable': whether it holds one cannot be told, as where /sys is not mounted
 */
export type ImageState = 'none' | 'ours' | 'unconfirmed' | 'replaced' | 'foreign' | 'unknown' | 'unreadable'

/** A file that is not any more what was loaded of it. */
export interface StaleFile {
  readonly path: string
  /** A part of a sentence: 'is gone', 'was written at …'. */
  readonly change: string
}

/** One of the two images that the kernel can hold, and what is known of it. */
export interface LoadedImage {
  readonly kind: ImageKind
  readonly state: ImageState
  /** What linux-kexec loaded; null when there is no record. With 'replaced' it is of what was replaced. */
  readonly record: LoadRecord | null
  /** Files that have changed since they were loaded: what is loaded is older than they are. */
  readonly stale: readonly StaleFile[]
  /** One sentence each: a record that is not believed, and why. */
  readonly warnings: readonly string[]
  /** What was read to tell so. */
  readonly evidence: readonly Evidence[]
}

export interface LoadedImagesOptions {
  readonly system?: System
  /** Read the files whole and hash them, which takes a while; the hashes of those that are unchanged go into the record. */
  readonly verify?: boolean
}

/**
 * The whole picture of what is loaded: by whom, from which files, whether these have changed since, and whether someone else
 * has loaded something over it. Root alone can tell all of it. Changes nothing but the record, with `verify`. Never throws.
 */
export function loadedImages({ system = new System(), verify = false }: LoadedImagesOptions = {}): {
  readonly kernel: LoadedImage
  readonly crash: LoadedImage
} {
  return {
    kernel: imageOf(system, 'kernel', isHeld(system, 'kernel'), verify),
    crash: imageOf(system, 'crash', isHeld(system, 'crash'), verify),
  }
}

function imageOf(system: System, kind: ImageKind, isLoaded: boolean | null, verify: boolean): LoadedImage {
  const nothing = { kind, record: null, stale: [], warnings: [], evidence: [] } as const
  if (isLoaded === null) return { ...nothing, state: 'unreadable', warnings: [UNREADABLE] }
  if (!isLoaded) return { ...nothing, state: 'none' }
  const folder = new StateFolder(system)
  const found = readRecord(system, folder, kind)
  if ('problem' in found) return { ...nothing, state: 'unknown', warnings: [found.problem] }
  if (!('record' in found)) {
    const evidence = [{ source: `${folder.path}/${recordName(kind)}`, value: found.absent }]
    return { ...nothing, state: 'foreign', evidence }
  }
  const { record } = found
  const { state, evidence } = compare(system, folder, record)
  const stale = filesOf(record).flatMap((file) => {
    const change = whatChanged(system, file)
    return change === undefined ? [] : [{ path: file.path, change }]
  })
  const verified = verify && state === 'ours' ? withHashes(system, folder, record) : record
  return { kind, state, record: verified, stale, warnings: [], evidence }
}

type FoundRecord = { readonly record: LoadRecord } | { readonly absent: string } | { readonly problem: string }

/** The record of this boot; one of an earlier boot counts as none. */
function readRecord(system: System, folder: StateFolder, kind: ImageKind): FoundRecord {
  const found = folder.read(recordName(kind))
  if ('absent' in found) return { absent: 'absent' }
  if ('problem' in found) return { problem: `What was loaded cannot be told: ${found.problem}.` }
  const record = parseRecord(found.text, kind)
  if (typeof record === 'string')
    return {
      problem: `What was loaded cannot be told: ${folder.path}/${recordName(kind)} is not believed, as ${record}.`,
    }
  const bootId = bootIdOf(system)
  if (bootId === undefined)
    return {
      problem: 'What was loaded cannot be told: /proc/sys/kernel/random/boot_id cannot be read. Is /proc mounted?',
    }
  return record.bootId === bootId ? { record } : { absent: `of another boot, ${record.bootId}` }
}

/** Whether the kernel still holds what it held right after the load. */
function compare(system: System, folder: StateFolder, record: LoadRecord) {
  const { fingerprint, kind } = record
  if (fingerprint === null) {
    const value = `not known from the time of the load: ${record.fingerprintProblem ?? 'it was not taken'}`
    return { state: 'unconfirmed', evidence: [{ source: 'fingerprint of the image', value }] } as const
  }
  const held: HeldImage = system.isLive
    ? heldImage(imagePointers(system, folder), kind)
    : { unreadable: 'this is not the running machine' }
  const evidence = [{ source: 'fingerprint of the image', value: describe(held, fingerprint) }]
  if ('unreadable' in held) return { state: 'unconfirmed', evidence } as const
  const isSame = 'fingerprint' in held && held.fingerprint === fingerprint
  return { state: isSame ? 'ours' : 'replaced', evidence } as const
}

function describe(held: HeldImage, recorded: string): string {
  const short = (fingerprint: string) => fingerprint.slice(0, 16)
  if ('unreadable' in held) return `cannot be compared: ${held.unreadable}`
  if ('empty' in held) return 'none: it has been unloaded meanwhile'
  if (held.fingerprint === recorded) return `${short(recorded)}, the same as right after the load`
  return `${short(held.fingerprint)}; right after the load it was ${short(recorded)}`
}

/** Every file that went into what a record is of. */
function filesOf({ kernel, initrds, others }: LoadRecord): readonly FileIdentity[] {
  return [kernel, ...initrds, ...others]
}

/** The record with the hashes of its files, as far as they are unchanged: then they are of what was loaded. */
function withHashes(system: System, folder: StateFolder, record: LoadRecord): LoadRecord {
  const hashed = (file: FileIdentity) => ({ ...file, sha256: file.sha256 ?? hashWhole(system, file) })
  const { kernel, initrds, others } = record
  const verified = { ...record, kernel: hashed(kernel), initrds: initrds.map(hashed), others: others.map(hashed) }
  try {
    // Another load may have been noted while the files were read.
    const now = folder.read(recordName(record.kind))
    const current = 'text' in now ? parseRecord(now.text, record.kind) : undefined
    if (typeof current === 'object' && isDeepStrictEqual(current, record)) writeRecord(folder, verified)
  } catch {
    // Then they are worked out again the next time.
  }
  return verified
}
