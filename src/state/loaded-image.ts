import { isDeepStrictEqual } from 'node:util'
import type { Evidence } from '../errors.ts'
import { System } from '../system/system.ts'
import { type FileIdentity, hashWhole, whatChanged } from './file-identity.ts'
import { heldImage, imagePointers } from './fingerprint.ts'
import { isHeld, UNREADABLE } from './held.ts'
import type { HeldImage } from './held-image.ts'
import { bootIdOf, type ImageKind, type LoadRecord, parseRecord, recordName } from './record.ts'
import { writeRecord } from './remember.ts'
import { StateDirectory } from './state-directory.ts'

/**
 * The owner of the image that the kernel holds:
 * - 'none': it holds none
 * - 'ours': linux-kexec loaded it, and it is unchanged
 * - 'unconfirmed': linux-kexec loaded one, and whether it is still there is unknown
 * - 'replaced': linux-kexec loaded one, and another program has loaded another since
 * - 'foreign': a program other than linux-kexec loaded it
 * - 'unknown': the records cannot be read or trusted
 * - 'unreadable': whether it holds one is unknown, for example where /sys is not mounted
 */
export type ImageState = 'none' | 'ours' | 'unconfirmed' | 'replaced' | 'foreign' | 'unknown' | 'unreadable'

/** A file that has changed since it was loaded. */
export interface StaleFile {
  readonly path: string
  /** A part of a sentence: 'is gone', 'was written at …'. */
  readonly change: string
}

/** Codes of warnings about a loaded image: docs/remarks.md explains each. */
export const imageWarningCodes = ['boot-unknown', 'loaded-unknown', 'record-not-trusted'] as const

export interface ImageWarning {
  readonly code: (typeof imageWarningCodes)[number]
  /** A sentence. */
  readonly text: string
}

/** One of the two images that the kernel can hold, and the facts about it. */
export interface LoadedImage {
  readonly kind: ImageKind
  readonly state: ImageState
  /** The image that linux-kexec loaded; null when there is no record. With 'replaced', the replaced image. */
  readonly record: LoadRecord | null
  /** Files that have changed since they were loaded: the loaded image is older than they are. */
  readonly stale: readonly StaleFile[]
  /** Why its state is unknown or unreadable. */
  readonly warnings: readonly ImageWarning[]
  /** The facts behind it. */
  readonly evidence: readonly Evidence[]
}

export interface LoadedImagesRequest {
  readonly system?: System
  /** Read the files whole and hash them, which takes a while; the hashes of those that are unchanged go into the record. */
  readonly verify?: boolean
}

/**
 * The state of the loaded images: who loaded each, from which files, whether these have changed since, and whether
 * another program has loaded over it. Only root can see all of it. Changes nothing but the record, with `verify`. Never
 * throws.
 */
export function loadedImages({ system = new System(), verify = false }: LoadedImagesRequest = {}): {
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
  if (isLoaded === null)
    return { ...nothing, state: 'unreadable', warnings: [{ code: 'loaded-unknown', text: UNREADABLE }] }
  if (!isLoaded) return { ...nothing, state: 'none' }
  const directory = new StateDirectory(system)
  const found = readRecord(system, directory, kind)
  if ('problem' in found) return { ...nothing, state: 'unknown', warnings: [found.problem] }
  if (!('record' in found)) {
    const evidence = [{ source: `${directory.path}/${recordName(kind)}`, value: found.absent }]
    return { ...nothing, state: 'foreign', evidence }
  }
  const { record } = found
  const { state, evidence } = compare(system, directory, record)
  const stale = filesOf(record).flatMap((file) => {
    const change = whatChanged(system, file)
    return change === undefined ? [] : [{ path: file.path, change }]
  })
  const verified = verify && state === 'ours' ? withHashes(system, directory, record) : record
  return { kind, state, record: verified, stale, warnings: [], evidence }
}

type FoundRecord = { readonly record: LoadRecord } | { readonly absent: string } | { readonly problem: ImageWarning }

/** The record of this boot. One of an earlier boot counts as none. */
function readRecord(system: System, directory: StateDirectory, kind: ImageKind): FoundRecord {
  const found = directory.read(recordName(kind))
  if ('absent' in found) return { absent: 'absent' }
  const unknown = (code: ImageWarning['code'], why: string): FoundRecord => {
    return { problem: { code, text: `The loaded kernel is unknown: ${why}.` } }
  }
  if ('problem' in found) return unknown('record-not-trusted', found.problem)
  const record = parseRecord(found.text, kind)
  if (typeof record === 'string')
    return unknown('record-not-trusted', `${directory.path}/${recordName(kind)} is not trusted, because ${record}`)
  const bootId = bootIdOf(system)
  if (bootId === undefined)
    return unknown('boot-unknown', '/proc/sys/kernel/random/boot_id cannot be read; mount /proc')
  return record.bootId === bootId ? { record } : { absent: `of another boot, ${record.bootId}` }
}

/** Whether the kernel still holds the image that it held right after the load. */
function compare(system: System, directory: StateDirectory, record: LoadRecord) {
  const { fingerprint, kind } = record
  if (fingerprint === null) {
    const value = `unknown since the load: ${record.fingerprintProblem ?? 'it was not taken'}`
    return { state: 'unconfirmed', evidence: [{ source: 'fingerprint of the image', value }] } as const
  }
  const held: HeldImage = system.isLive
    ? heldImage(imagePointers(system, directory), kind)
    : { unreadable: 'this is not the running machine' }
  const evidence = [{ source: 'fingerprint of the image', value: describe(held, fingerprint) }]
  if ('unreadable' in held) return { state: 'unconfirmed', evidence } as const
  const isSame = 'fingerprint' in held && held.fingerprint === fingerprint
  return { state: isSame ? 'ours' : 'replaced', evidence } as const
}

function describe(held: HeldImage, recorded: string): string {
  const short = (fingerprint: string) => fingerprint.slice(0, 16)
  if ('unreadable' in held) return `cannot be compared: ${held.unreadable}`
  if ('empty' in held) return 'none: it was unloaded'
  if (held.fingerprint === recorded) return `${short(recorded)}, the same as right after the load`
  return `${short(held.fingerprint)}; right after the load it was ${short(recorded)}`
}

/** Every file that the recorded load used. */
function filesOf({ kernel, initrds, others }: LoadRecord): readonly FileIdentity[] {
  return [kernel, ...initrds, ...others]
}

/** The record with the hashes of its unchanged files, which are then the hashes of the loaded bytes. */
function withHashes(system: System, directory: StateDirectory, record: LoadRecord): LoadRecord {
  const hashed = (file: FileIdentity) => ({ ...file, sha256: file.sha256 ?? hashWhole(system, file) })
  const { kernel, initrds, others } = record
  const verified = { ...record, kernel: hashed(kernel), initrds: initrds.map(hashed), others: others.map(hashed) }
  try {
    // Another load may have been recorded while the files were read.
    const now = directory.read(recordName(record.kind))
    const current = 'text' in now ? parseRecord(now.text, record.kind) : undefined
    if (typeof current === 'object' && isDeepStrictEqual(current, record)) writeRecord(directory, verified)
  } catch {
    // They are then computed again the next time.
  }
  return verified
}
