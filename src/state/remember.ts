import { System } from '../system/system.ts'
import { packageVersion } from '../version.ts'
import { heldImage, imagePointers, imagePointersMeanwhile } from './fingerprint.ts'
import type { HeldImage } from './held-image.ts'
import type { ImagePointers } from './image-pointers.ts'
import { bootIdOf, type ImageKind, type LoadedBy, type LoadFacts, type LoadRecord, recordName } from './record.ts'
import { StateDirectory } from './state-directory.ts'

const live = new System()
const directory = new StateDirectory(live)

/** Begins to look up the data for the fingerprint, while the kernel performs the load. */
export function beginToRemember(): Promise<ImagePointers | string> {
  return imagePointersMeanwhile(live, directory)
}

/**
 * Records the load that just succeeded. Never throws: a record that cannot be written does not undo the load.
 * @returns the failure, as a warning; undefined without one
 */
export function rememberLoad(
  kind: ImageKind,
  gather: () => LoadFacts,
  known?: ImagePointers | string,
): string | undefined {
  try {
    const held = heldImage(known ?? imagePointers(live, directory), kind)
    writeRecord(directory, makeRecord(kind, gather(), held))
    return undefined
  } catch (error) {
    // An older record is no longer true.
    forgetLoad(kind)
    const why = error instanceof Error ? error.message : String(error)
    return `the kernel is loaded, but its record for \`status\` and \`reboot\` could not be written: ${why}`
  }
}

function makeRecord(kind: ImageKind, facts: LoadFacts, held: HeldImage): LoadRecord {
  return {
    schemaVersion: 1,
    kind,
    bootId: bootIdOf(live) ?? '',
    loadedAt: new Date().toISOString(),
    by: thisProgram(),
    packageVersion: packageVersion(),
    version: facts.version,
    kernel: facts.kernel,
    initrds: facts.initrds,
    others: facts.others,
    overlay: facts.overlay,
    commandLine: facts.commandLine,
    engine: facts.engine,
    flags: facts.flags,
    origin: facts.origin,
    fingerprint: 'fingerprint' in held ? held.fingerprint : null,
    fingerprintProblem: 'unreadable' in held ? held.unreadable : null,
  }
}

/**
 * Removes the record of an unloaded image. Never throws: an image that is not loaded is never shown, even with a
 * record.
 */
export function forgetLoad(kind: ImageKind): void {
  try {
    directory.remove(recordName(kind))
  } catch {
    // A directory that cannot be written has no record of ours.
  }
}

/**
 * @throws Node's error, or one that names the directory's fault
 */
export function writeRecord(into: StateDirectory, record: LoadRecord): void {
  into.write(recordName(record.kind), `${JSON.stringify(record, null, 2)}\n`)
}

/** The user and program that load now. */
export function thisProgram(): LoadedBy {
  const loginUid = Number(live.readText('/proc/self/loginuid')?.trim() || Number.NaN)
  // 4294967295: there is no login behind it (AUDIT_UID_UNSET, include/uapi/linux/audit.h).
  const isSet = Number.isInteger(loginUid) && loginUid !== 0xffffffff
  return {
    uid: process.getuid?.() ?? null,
    loginUid: isSet ? loginUid : null,
    sudoUser: process.env['SUDO_USER'] || null,
    pid: process.pid,
    program: process.argv[1] ?? process.execPath,
  }
}
