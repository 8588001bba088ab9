import { closeSync, readSync } from 'node:fs'
import { sameCommandLine } from '../entries/merge.ts'
import type { BootLoader, BootMenu } from '../entries/model/boot-menu.ts'
import type { BootEntry } from '../entries/model/entry.ts'
import type { BootProblemCode } from '../entries/model/problem.ts'
import { loaderVariable } from '../system/efi-variables.ts'
import type { System } from '../system/system.ts'
import type { Rollback } from './model/trial.ts'

/** The kernel that is to be tried, as far as a boot entry can be compared with it. */
export interface Tried {
  /** The file of the kernel; null for one that is loaded from memory. */
  readonly kernel: string | null
  /** Null where the image does not contain it. */
  readonly release: string | null
  /** The files of its initrds; null where they do not all lie in files. */
  readonly initrds: readonly string[] | null
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
 * Judges from the boot loaders' files what the firmware and the boot loader would start after a reset. The entry is as
 * certain as the menu: a boot order of the firmware that names another boot loader first is not seen.
 */
export function judgeRollback(system: System, menu: BootMenu, tried: Tried): RollbackVerdict {
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

/**
 * The kernel writes it into LoaderEntryOneShot during a kexec (drivers/firmware/efi/efibc.c, with the command of
 * kernel_kexec() in kernel/kexec_core.c). systemd-boot has no such entry and skips it.
 */
export const KEXEC_REBOOT = 'kexec reboot'

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
  if (tried.initrds !== null && tried.kernel !== null) {
    const { initrds } = tried
    if (initrds.length !== entry.initrds.length) return false
    if (!entry.initrds.every((path, index) => isSameFile(system, path, initrds[index] as string))) return false
  }
  if (tried.kernel !== null) return entry.kernel !== null && isSameFile(system, entry.kernel, tried.kernel)
  return entry.version !== null && tried.release !== null && entry.version !== tried.release ? false : null
}

/** Whether two paths lead to one file, or to files with the same content: kernels are copied to the boot partition. */
function isSameFile(system: System, one: string, other: string): boolean {
  if (one === other) return true
  const [first, second] = [system.stat(one), system.stat(other)]
  if (first === undefined || second === undefined) return false
  if (first.dev === second.dev && first.ino === second.ino) return true
  return first.size === second.size && haveSameContent(system, one, other)
}

const PIECE = 1024 * 1024

function haveSameContent(system: System, one: string, other: string): boolean {
  const descriptors: number[] = []
  try {
    for (const path of [one, other]) descriptors.push(system.open(path))
    const [mine, theirs] = [Buffer.alloc(PIECE), Buffer.alloc(PIECE)]
    for (let at = 0; ; ) {
      const [length, second] = [mine, theirs].map((buffer, index) =>
        readSync(descriptors[index] as number, buffer, 0, PIECE, at),
      ) as [number, number]
      if (length !== second || !mine.subarray(0, length).equals(theirs.subarray(0, length))) return false
      if (length === 0) return true
      at += length
    }
  } catch {
    // What cannot be read cannot be told apart: then the fallback is not sure.
    return true
  } finally {
    for (const fd of descriptors) closeSync(fd)
  }
}

function unknown(text: string, remedy: string): Extract<RollbackVerdict, { verdict: 'unknown' }> {
  return { verdict: 'unknown', rollback: null, text, remedy }
}
