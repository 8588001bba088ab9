import type { BootSource } from '../entries/model/entry.ts'
import type { System } from '../system/system.ts'
import { type Check, fieldsOf, isNumber, isText, isTime, listOf, objectOf, orNull, wrongField } from './fields.ts'
import type { FileIdentity } from './file-identity.ts'

/** Version of the record; one newer than the program is not trusted. */
export const RECORD_VERSION = 1

/** One of the two images that a kernel can hold. */
export type ImageKind = 'kernel' | 'crash'

/** The user and program that asked for a load. */
export interface LoadedBy {
  readonly uid: number | null
  /** The user who logged in, where the kernel records it (/proc/self/loginuid). */
  readonly loginUid: number | null
  /** SUDO_USER of the environment. */
  readonly sudoUser: string | null
  readonly pid: number
  readonly program: string
}

/** Its origin: the chosen boot entry. */
export interface LoadOrigin {
  /** The words that chose it; null when none were given. */
  readonly selector: string | null
  readonly entry: string | null
  readonly title: string | null
  readonly source: BootSource | null
}

/** The parts of a load. */
export interface LoadFacts {
  /** Release of the loaded kernel, as `uname -r` will print it; or null. */
  readonly version: string | null
  readonly kernel: FileIdentity
  /** The initrds that lie in files; those inside the kernel's own file are not among them. */
  readonly initrds: readonly FileIdentity[]
  /** Further files of the load: a vendor boot image, the files beside a unified kernel image. */
  readonly others: readonly FileIdentity[]
  /** The origin of the files laid over the initrd, the first hundred; they are not compared later. */
  readonly overlay: readonly string[]
  readonly commandLine: string
  readonly engine: 'file' | 'segments'
  /** Of the call that the engine makes. */
  readonly flags: number
  readonly origin: LoadOrigin
}

/** Our last load: /run/linux-kexec/loaded.json, or loaded-panic.json for the crash kernel. */
export interface LoadRecord extends LoadFacts {
  readonly schemaVersion: 1
  readonly kind: ImageKind
  readonly bootId: string
  /** ISO 8601, UTC. */
  readonly loadedAt: string
  readonly by: LoadedBy
  readonly packageVersion: string | null
  /** The kernel's fingerprint right after the load, to distinguish it from other loads; null when it could not be read. */
  readonly fingerprint: string | null
  /** Why there is none. */
  readonly fingerprintProblem: string | null
}

/** The name of the record in its directory. */
export function recordName(kind: ImageKind): string {
  return kind === 'kernel' ? 'loaded.json' : 'loaded-panic.json'
}

/** The running boot; undefined where /proc does not show it. */
export function bootIdOf(system: System): string | undefined {
  return system.readText('/proc/sys/kernel/random/boot_id')?.trim()
}

/** Reads a record. @returns in words why it cannot be trusted, when it cannot */
export function parseRecord(text: string, kind: ImageKind): LoadRecord | string {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return 'it is not JSON, or is cut off'
  }
  const record = fieldsOf(value)
  if (record['schemaVersion'] !== RECORD_VERSION) return `its version is not ${RECORD_VERSION}`
  const wrong = wrongField(record, recordFields)
  if (wrong !== undefined) return `its field ${wrong} is wrong`
  if (record['kind'] !== kind) return `it is not of the kind ${kind}`
  return value as LoadRecord
}

const isFile = objectOf({
  path: isText,
  size: isNumber,
  device: orNull(isNumber),
  inode: orNull(isNumber),
  modifiedAt: orNull(isNumber),
  changedAt: orNull(isNumber),
  sample: isText,
  sha256: orNull(isText),
})

/** Who loaded a kernel, a `LoadedBy`. */
export const isLoadedBy = objectOf({
  uid: orNull(isNumber),
  loginUid: orNull(isNumber),
  sudoUser: orNull(isText),
  pid: isNumber,
  program: isText,
})

const recordFields: Readonly<Record<Exclude<keyof LoadRecord, 'schemaVersion'>, Check>> = {
  kind: isText,
  bootId: isText,
  loadedAt: isTime,
  by: isLoadedBy,
  packageVersion: orNull(isText),
  version: orNull(isText),
  kernel: isFile,
  initrds: listOf(isFile),
  others: listOf(isFile),
  overlay: listOf(isText),
  commandLine: isText,
  engine: (value) => value === 'file' || value === 'segments',
  flags: isNumber,
  origin: objectOf({ selector: orNull(isText), entry: orNull(isText), title: orNull(isText), source: orNull(isText) }),
  fingerprint: orNull(isText),
  fingerprintProblem: orNull(isText),
}
