import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { KexecError, type Reason } from '../../errors.ts'
import { execute } from '../../handover/jump/execute.ts'
import { reboot } from '../../handover/reboot.ts'
import { unload } from '../../plan/unload.ts'
import { readPrivileges, requireCapability } from '../../policy/process/privileges.ts'
import { status } from '../../system/kexec-state.ts'
import { System } from '../../system/system.ts'
import { stdout } from '../output/descriptor.ts'
import { describe } from '../output/failure.ts'
import { lineWidth } from '../output/layout.ts'
import { note, noteLine, print, warn } from '../output/output.ts'
import { complain } from './complaint.ts'
import { kexecHelp, kexecVersion } from './help.ts'
import { load } from './load.ts'
import { readRequest, type WorkRequest } from './request.ts'

/**
 * The exit statuses of kexec-tools' main(): die() is 1, a failed step is -1, an image for kexec_load under -s is -3.
 */
export const kexecExit = { done: 0, refused: 1, failed: 255, noFallback: 253 } as const

/**
 * kexec(8), which scripts written for kexec-tools call.
 * @param words the words after `kexec`
 * @returns the exit status, as kexec-tools 2.0.32 has it
 */
export async function kexec8(words: readonly string[]): Promise<number> {
  const held = status()
  const request = readRequest(words, {
    posixly: process.env['POSIXLY_CORRECT'] !== undefined,
    hasCrashMemory: (held.crashSize ?? 0) > 0,
  })
  switch (request.kind) {
    case 'help':
      print(kexecHelp(lineWidth(stdout)).join('\n'))
      return kexecExit.done
    case 'version':
      print(kexecVersion())
      return kexecExit.done
    case 'crash-size':
      print(String(held.crashSize ?? 0))
      return kexecExit.done
    case 'wrong':
      complain(request.problem, request.hint)
      return request.status
    case 'status':
      return statusStatus(request.panic ? held.crashLoaded : held.loaded, held.supported)
    case 'work':
      return work(request)
  }
}

/** kexec-tools' --status: 1 when one is loaded, 0 when none is, and a failure where that cannot be read. */
function statusStatus(isLoaded: boolean | null, isSupported: boolean | null): number {
  if (!isSupported || isLoaded === null) return kexecExit.failed
  return isLoaded ? 1 : 0
}

async function work(request: WorkRequest): Promise<number> {
  if (request.hotplug && !hasCrashHotplug()) {
    complain('this kernel does not keep a crash kernel up to date by itself (CONFIG_CRASH_HOTPLUG)', 'Omit --hotplug.')
    return kexecExit.refused
  }
  try {
    for (const text of request.ignored) warn(text)
    if (request.unload) unloadHeld(request.panic)
    if (request.load !== null) await load(request.load, request)
    return await start(request)
  } catch (error) {
    if (!(error instanceof KexecError)) throw error
    describe(error)
    return statusOf(error, request)
  }
}

function unloadHeld(panic: boolean): void {
  requireCapability(readPrivileges(new System()), 'unloading a kernel')
  unload({ panic })
}

/** Starts the loaded kernel, where requested. */
async function start({ finish, sync }: WorkRequest): Promise<number> {
  if (finish === 'nothing') return kexecExit.done
  // Where it cannot be read, the kernel is asked, or `reboot` names the missing source.
  if (status().loaded === false) {
    note('Nothing has been loaded!')
    return kexecExit.refused
  }
  if (finish === 'exec') execute({ sync })
  // `shutdown -r now` ignores inhibitors, and the kernel was loaded this moment.
  await reboot({ report: noteLine, ignoreInhibitors: true, staleOk: true })
  return kexecExit.done
}

/**
 * Errors for which kexec-tools says that an image is not for kexec_file_load; without -s it would then try kexec_load.
 */
const notForFileLoad = ['ENOSYS', 'EINVAL', 'ENOEXEC', 'EOPNOTSUPP']

/** Reasons for which kexec-tools gives up before its load has begun. */
const early: readonly Reason[] = ['nothing-loaded', 'no-crash-memory']

function statusOf(error: KexecError, { load: wanted }: WorkRequest): number {
  if (early.includes(error.reason)) return kexecExit.refused
  if (wanted === null) return kexecExit.failed
  const isMissing = error.reason === 'not-found' || error.reason === 'not-readable'
  if (isMissing && error.path === resolve(wanted.kernel)) return kexecExit.refused
  const isKind = error.reason === 'not-a-kernel' || error.reason === 'not-an-initrd'
  if (isKind) return isWithoutBytes(error.path) ? kexecExit.refused : kexecExit.failed
  return wanted.fileOnly && notForFileLoad.includes(error.code) ? kexecExit.noFallback : kexecExit.failed
}

/** A directory or an empty file: kexec-tools cannot read them, and ends at once. */
function isWithoutBytes(path = ''): boolean {
  const stats = statSync(path, { throwIfNoEntry: false })
  return stats?.isDirectory() === true || (stats?.isFile() === true && stats.size === 0)
}

/** The file exists exactly with CONFIG_CRASH_HOTPLUG: Documentation/ABI/testing/sysfs-kernel-kexec-kdump. */
function hasCrashHotplug(): boolean {
  return Number(new System().readText('/sys/kernel/crash_elfcorehdr_size') ?? 0) > 0
}
