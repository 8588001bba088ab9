import { statSync } from 'node:fs'
import { type Evidence, errnoName, errnoNumber, KexecError } from '../../errors.ts'
import { native } from '../../native.ts'
import { CAPABILITIES, readCapabilities } from '../../policy/process/privileges.ts'
import { MOUNT_TABLE } from '../../system/mounts/mount-table.ts'
import { STATUS } from '../../system/process-status.ts'
import type { System } from '../../system/system.ts'
import { boundedCall } from './bounded-call.ts'

const ALLOWED = 'EINVAL'

/**
 * Asks the kernel whether this process may call reboot(2), with a call that the kernel does not obey. After the work is
 * done it is too late to learn that a filter forbids it.
 * @throws KexecError 'not-permitted'
 */
export function requireRebootCall(): void {
  const code = errnoName(native().probeReboot())
  if (code !== ALLOWED) throw forbidden('reboot', code)
}

/**
 * The needs of a way that ends every process and unmounts by itself, beside the call. Capability: the loss without it.
 */
const NEEDED = {
  CAP_KILL: 'processes of other users would continue to run',
  CAP_SYS_ADMIN: 'file systems would stay mounted',
} as const

/**
 * Refuses when this process cannot end the others, cannot unmount, or cannot see what there is to end and unmount. It
 * asks the kernel without changing anything.
 * @throws KexecError 'no-capability', 'not-permitted', 'not-readable', 'not-init-user-namespace'
 */
export function requireDirect(system: System): void {
  requireProc(system)
  const held = readCapabilities(system)
  for (const [name, without] of Object.entries(NEEDED) as [keyof typeof NEEDED, string][]) {
    if (held.has(CAPABILITIES[name])) continue
    throw new KexecError(`ending every process and unmounting needs the capability ${name}: without it ${without}`, {
      reason: 'no-capability',
      code: 'EPERM',
      hint: 'Run it as root, or give the process CAP_SYS_BOOT, CAP_KILL and CAP_SYS_ADMIN.',
      evidence: held.evidence,
      refused: true,
    })
  }
  requireWholeView()
  requireRebootCall()
  requireSignals()
  requireUnmounting(system)
}

/** Processes and mounts are read there; without it nothing would be waited for, and nothing unmounted. */
function requireProc(system: System): void {
  for (const path of [STATUS, MOUNT_TABLE, '/proc/1/stat']) {
    if (system.readText(path)) continue
    throw new KexecError('processes and mounts cannot be read, so they cannot be ended and unmounted', {
      reason: 'not-readable',
      path,
      hint: system.exists('/proc/self')
        ? 'Run it with CAP_SYS_PTRACE, or mount /proc without hidepid: mount -o remount,hidepid=0 /proc'
        : 'mount -t proc proc /proc',
      refused: true,
    })
  }
}

/**
 * In a mount namespace or chroot of its own, only its own mounts would be closed, and those of the machine would stay
 * open.
 */
function requireWholeView(): void {
  const [own, first] = ['/proc/self', '/proc/1'].map(viewOf)
  if (own === undefined || first === undefined || own === first) return
  throw new KexecError(
    'this process has another mount namespace or root directory than PID 1, and would leave its file systems mounted',
    {
      reason: 'not-permitted',
      hint: 'Run it outside of the chroot or mount namespace: nsenter --target 1 --mount linux-kexec reboot --via direct',
      evidence: [
        { source: '/proc/self: ns/mnt, root', value: own },
        { source: '/proc/1: ns/mnt, root', value: first },
      ],
      refused: true,
    },
  )
}

/** Mount namespace and root directory of a process, by device and inode; undefined where they cannot be read. */
function viewOf(process: string): string | undefined {
  try {
    const [namespace, root] = [statSync(`${process}/ns/mnt`), statSync(`${process}/root/`)]
    return `${namespace.ino}, ${root.dev}:${root.ino}`
  } catch {
    return undefined
  }
}

function requireSignals(): void {
  try {
    process.kill(1, 0)
  } catch (error) {
    throw forbidden('kill', (error as NodeJS.ErrnoException).code ?? 'EPERM')
  }
}

/** Nothing is ever mounted there, so a process that may unmount gets this answer. */
const NO_MOUNT = '/proc/self/attr'

const PATIENCE = 10_000

function requireUnmounting(system: System): void {
  const errno = boundedCall(system, () => native().unmount(NO_MOUNT, 0), PATIENCE)
  const code = errno === undefined ? 'ETIMEDOUT' : errnoName(errno)
  if (code !== ALLOWED) throw forbidden('umount2', code)
}

function forbidden(syscall: string, code: string): KexecError {
  const evidence: Evidence[] = [{ source: `${syscall}(2), called in a way that changes nothing`, value: code }]
  const errno = errnoNumber(code)
  return new KexecError(`this process may not call ${syscall}(2); nothing was stopped`, {
    reason: 'not-permitted',
    code,
    ...(errno === undefined ? {} : { errno }),
    syscall,
    hint: 'A seccomp filter or a security module forbids it. Run it outside of the container or service (SystemCallFilter=), or use the init system: linux-kexec reboot',
    evidence,
    refused: true,
  })
}
