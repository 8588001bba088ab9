import { closeSync } from 'node:fs'
import { type ByteSource, fileBytes } from '../bytes/bytes.ts'
import { sameCommandLine } from '../entries/merge.ts'
import type { BootLoader, BootMenu } from '../entries/model/boot-menu.ts'
import type { BootEntry } from '../entries/model/entry.ts'
import type { BootProblemCode } from '../entries/model/problem.ts'
import { KEXEC_REBOOT, loaderVariable } from '../system/efi-variables.ts'
import type { System } from '../system/system.ts'
import { judgeFirmware } from './firmware/start.ts'
import type { Rollback } from './model/trial.ts'

/** The kernel that is to be tried, as far as a boot entry can be compared with it. */
export interface Tried {
  /** The file of the kernel; null for one that is loaded from memory. */
  readonly kernel: string | null
  /** Null where the image does not contain it. */
  readonly release: string | null
  /** The files of its initrds; null where they do not all lie in files. */
  readonly initrds: readonly string[] | null
  /** The bytes of a kernel that has no path, and of its initrds, null where they are not all known; else null. */
  readonly inMemory: { readonly kernel: ByteSource; readonly initrds: readonly ByteSource[] | null } | null
  /** Its command line, without the parameters that are added for the trial. */
  readonly commandLine: string
}

/** What a reset of the machine leads to. */
export type RollbackVerdict =
  /** Into another kernel than the one on trial, or into the same with another initrd or command line. */
  | { readonly verdict: 'sure'; readonly rollback: Rollback; readonly isRunning: boolean }
  /** Into the very kernel on trial. */
  | { readonly verdict: 'same-kernel'; readonly rollback: Rollback; readonly text: string; readonly remedy: string }
  | { readonly verdict: 'unknown'; readonly rollback: null; readonly text: string; readonly remedy: string }

/** Faults with which it is not certain that the boot loader starts an entry. */
const unbootable: readonly BootProblemCode[] = [
  'damaged-image',
  'missing-initrd',
  'missing-kernel',
  'no-kernel',
  'not-a-kernel',
  'out-of-reach',
]

const SET_DEFAULT = 'Make the entry of the running kernel the default of the boot loader'

/**
 * Judges from the firmware's variables and the boot loaders' files what the firmware and the boot loader would start after a
 * reset.
 */
export function judgeRollback(system: System, menu: BootMenu, tried: Tried): RollbackVerdict {
  const firmware = judgeFirmware(system)
  if (firmware.isOther) return unknown(firmware.text, firmware.remedy)
  const inCharge = menu.loaders.find((loader) => loader.inCharge)
  if (inCharge === undefined)
    return unknown('no boot loader was found, so what the machine boots after a reset is unknown', 'linux-kexec list')
  const one = judgeLoader(system, menu, inCharge, tried)
  if (one.verdict !== 'sure') return one
  // Each of them may be the one that starts.
  const disagree = menu.problems.some(({ code }) => code === 'loaders-disagree')
  const others = disagree ? menu.loaders.filter((each) => each !== inCharge && each.default !== null) : []
  const doubtful = others.find((each) => judgeLoader(system, menu, each, tried).verdict !== 'sure')
  return doubtful === undefined
    ? one
    : unknown(
        `the boot loaders disagree about the default, and that of ${doubtful.config} (${doubtful.source}) would not take the trial back`,
        `Remove the boot loader that is not used, or let both name the same default: linux-kexec list`,
      )
}

/** Whether the boot loader in charge boots the first entry because a name means none. */
export function isByAccident({ loaders }: BootMenu): boolean {
  return loaders.some(({ inCharge, problems }) => inCharge && problems.some(({ code }) => code === 'unknown-default'))
}

function judgeLoader(system: System, menu: BootMenu, loader: BootLoader, tried: Tried): RollbackVerdict {
  const found = defaultOf(system, menu, loader)
  return 'entry' in found ? compare(system, found.entry, loader, tried) : found
}

/** The entry of a Linux kernel that boots by itself after a reset, or why that is unknown. */
export type CertainDefault =
  | { readonly entry: BootEntry; readonly loader: BootLoader }
  | { readonly text: string; readonly remedy: string }

/** What the boot loader in charge boots when nobody touches a key, whichever kernel is on trial. */
export function certainDefault(system: System, menu: BootMenu): CertainDefault {
  const loader = menu.loaders.find(({ inCharge }) => inCharge)
  if (loader === undefined) return unknown('no boot loader was found', 'linux-kexec list')
  const disagreement = menu.problems.find(({ code }) => code === 'loaders-disagree')
  if (disagreement !== undefined) return unknown(disagreement.text, 'Remove the boot loader that is not used.')
  return defaultOf(system, menu, loader)
}

function defaultOf(
  system: System,
  menu: BootMenu,
  loader: BootLoader,
): Extract<CertainDefault, { entry: unknown }> | Extract<RollbackVerdict, { verdict: 'unknown' }> {
  const { config, undecided } = loader
  const entry = menu.entries.find(({ id }) => id === loader.default)
  if (entry === undefined)
    return unknown(
      `which entry ${config} boots after a reset is unknown${undecided === null ? '' : `: ${undecided}`}`,
      `${SET_DEFAULT}.`,
    )
  const doubt = loader.problems.find(({ code }) => code === 'uncertain')
  if (doubt !== undefined)
    return unknown(`which entry ${config} boots after a reset is unknown: ${doubt.text}`, `${SET_DEFAULT}.`)
  if (loader.waits !== null)
    return unknown(`after a reset nothing boots until somebody touches a key: ${loader.waits}`, 'Set a timeout in it.')
  const oneShot = loader.source === 'bls' ? loaderVariable(system, 'LoaderEntryOneShot') : undefined
  if (oneShot !== undefined && oneShot !== KEXEC_REBOOT)
    return unknown(
      `the EFI variable LoaderEntryOneShot chooses '${oneShot}' for the next boot only, and the kernel overwrites it during a kexec`,
      "Remove it: bootctl set-oneshot ''",
    )
  const named = `'${entry.title}', the default of ${config},`
  if (entry.kernel === null)
    return unknown(`${named} starts no Linux kernel: what it leads to is unknown`, `${SET_DEFAULT}.`)
  const fault = entry.problems.find(({ code }) => unbootable.includes(code))
  if (fault !== undefined) return unknown(`${named} may not boot: ${fault.text}`, 'linux-kexec list')
  const unclear = entry.problems.find(({ code }) => code === 'uncertain')
  if (unclear !== undefined) return unknown(`what ${named} starts is unknown: ${unclear.text}`, `${SET_DEFAULT}.`)
  return { entry, loader }
}

function compare(system: System, entry: BootEntry, loader: BootLoader, tried: Tried): RollbackVerdict {
  const named = `'${entry.title}', the default of ${loader.config},`
  const rollback: Rollback = {
    entry: entry.id,
    title: entry.title,
    kernel: entry.kernel,
    reason: loader.reason ?? `${loader.config} names it`,
  }
  const isSame = isSameStart(system, entry, tried)
  if (isSame === null)
    return unknown(
      `${named} has the release of the kernel in memory, and may be the very kernel that is to be tried`,
      `${SET_DEFAULT}, or load the kernel from a file.`,
    )
  if (!isSame) return { verdict: 'sure', rollback, isRunning: entry.isRunning }
  const text = `${named} is the very kernel that is to be tried: a reset would start it again`
  return { verdict: 'same-kernel', rollback, text, remedy: `${SET_DEFAULT}.` }
}

/** Whether an entry starts the same kernel in the same way; null where that is unknown. */
function isSameStart(system: System, entry: BootEntry, tried: Tried): boolean | null {
  if (entry.commandLine !== null && !sameCommandLine(entry.commandLine, tried.commandLine)) return false
  if (tried.kernel !== null) {
    const { initrds } = tried
    if (initrds !== null && !isSameList(entry.initrds, initrds, (one, other) => isSameFile(system, one, other)))
      return false
    return entry.kernel !== null && isSameFile(system, entry.kernel, tried.kernel)
  }
  if (entry.version !== null && tried.release !== null && entry.version !== tried.release) return false
  if (tried.inMemory === null || entry.kernel === null) return null
  const { kernel, initrds } = tried.inMemory
  if (initrds !== null && !isSameList(entry.initrds, initrds, (path, bytes) => holds(system, path, bytes))) return false
  return holds(system, entry.kernel, kernel)
}

function isSameList<One, Other>(
  ones: readonly One[],
  others: readonly Other[],
  isSame: (one: One, other: Other) => boolean,
): boolean {
  return ones.length === others.length && ones.every((one, index) => isSame(one, others[index] as Other))
}

/** Whether two paths lead to one file, or to files with the same content: kernels are copied to the boot partition. */
function isSameFile(system: System, one: string, other: string): boolean {
  if (one === other) return true
  const [first, second] = [system.stat(one), system.stat(other)]
  if (first === undefined || second === undefined) return false
  if (first.dev === second.dev && first.ino === second.ino) return true
  if (first.size !== second.size) return false
  return withFile(system, other, second.size, (bytes) => holds(system, one, bytes))
}

const PIECE = 1024 * 1024

/** Whether a file consists of these bytes. */
function holds(system: System, path: string, bytes: ByteSource): boolean {
  const stats = system.stat(path)
  if (stats === undefined || stats.size !== bytes.size) return false
  return withFile(system, path, stats.size, (file) => {
    for (let at = 0; at < bytes.size; at += PIECE) {
      const length = Math.min(PIECE, bytes.size - at)
      if (!file.read(at, length).equals(bytes.read(at, length))) return false
    }
    return true
  })
}

/** What cannot be read cannot be told apart: then the fallback is not sure. */
function withFile(system: System, path: string, size: number, compare: (bytes: ByteSource) => boolean): boolean {
  let fd: number | undefined
  try {
    fd = system.open(path)
    return compare(fileBytes(fd, size))
  } catch {
    return true
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

function unknown(text: string, remedy: string): Extract<RollbackVerdict, { verdict: 'unknown' }> {
  return { verdict: 'unknown', rollback: null, text, remedy }
}
