import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { native } from '../../native.ts'
import { foreignText } from '../../text.ts'

/** PF_KTHREAD of include/linux/sched.h: kernel threads take no signals. */
const PF_KTHREAD = 0x00200000

const POLL = 50

/** Time for a killed process to be gone, in milliseconds. One that hangs in the kernel never is. */
const KILL_DEADLINE = 2000

interface Stat {
  readonly name: string
  readonly state: string
  readonly parent: number
  readonly flags: number
}

export interface EndOptions {
  /** Time for processes to end by themselves, in milliseconds. */
  readonly deadline: number
  /** Called with one sentence per step. */
  readonly report: (step: string) => void
  /** Spare the callers of this program, such as the scripts of a running shutdown. Default: false. */
  readonly spareCallers?: boolean
}

/** Ends every process: SIGTERM, and SIGKILL for those that have not ended at the deadline. Never this one and PID 1. */
export async function endProcesses({ deadline, report, spareCallers = false }: EndOptions): Promise<void> {
  const spared = spareCallers ? callers() : new Set<number>()
  report('sending SIGTERM to every process')
  signalAll('SIGTERM', spared)
  // A stopped process sees the signal only when it continues.
  signalAll('SIGCONT', spared)
  const stubborn = await waitForEnd(deadline, spared)
  if (stubborn.length === 0) return
  report(`still running after ${deadline / 1000} s, sending SIGKILL: ${few(stubborn)}`)
  const stuck = await waitForEnd(KILL_DEADLINE, spared, () => signalAll('SIGKILL', spared))
  if (stuck.length > 0) report(`cannot be ended: ${few(stuck)}`)
}

/** Any user may start thousands. */
function few(names: readonly string[]): string {
  const MAX = 20
  return names.length > MAX ? `${names.slice(0, MAX).join(', ')}, and ${names.length - MAX} more` : names.join(', ')
}

/**
 * Processes that a shutdown has to end: all but PID 1, this one, kernel threads, those that have ended already, and the
 * daemons behind the root file system.
 * @param spared other processes to leave out
 */
export function remainingProcesses(spared: ReadonlySet<number> = new Set()): { pid: number; name: string }[] {
  return allProcesses()
    .filter(({ pid }) => !spared.has(pid) && !isStorageDaemon(pid))
    .map(({ pid, name }) => ({ pid, name }))
}

function allProcesses(): (Stat & { pid: number })[] {
  return readdirSync('/proc').flatMap((entry) => {
    const pid = Number(entry)
    if (!Number.isInteger(pid) || pid === 1 || pid === process.pid) return []
    const stat = readStat(pid)
    if (stat === undefined || stat.state === 'Z' || stat.state === 'X' || stat.flags & PF_KTHREAD) return []
    return [{ pid, ...stat }]
  })
}

/**
 * mdmon and its like, without which the root file system hangs, put an @ before the name they were called by
 * (systemd.io, ROOT_STORAGE_DAEMONS); only root may ask for that. Anyone can give a setuid program such a name, so all
 * of its user ids must be root's. sudo and su change all of them, so it must not come from another user's login either.
 */
export function isStorageDaemon(pid: number, proc = '/proc'): boolean {
  const read = (name: string) => readFileSync(`${proc}/${pid}/${name}`, 'latin1')
  try {
    if (!read('cmdline').startsWith('@')) return false
    if (!/^Uid:\t0\t0\t0\t0$/m.test(read('status'))) return false
  } catch {
    return false
  }
  try {
    return [NO_LOGIN, '0'].includes(read('loginuid').trim())
  } catch (error) {
    // A kernel without CONFIG_AUDIT has no such file.
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}

/** AUDIT_UID_UNSET of include/uapi/linux/audit.h: no login is behind the process. */
const NO_LOGIN = '4294967295'

/** The process that has called this one, the one that has called that, and so on to PID 1. */
export function callers(): Set<number> {
  const found = new Set<number>()
  for (let pid = process.ppid; pid > 1 && !found.has(pid); pid = readStat(pid)?.parent ?? 0) found.add(pid)
  return found
}

/** Sends a signal to every process that must end. */
function signalAll(signal: 'SIGTERM' | 'SIGKILL' | 'SIGCONT', spared: ReadonlySet<number>): void {
  const isSpared = ({ pid }: { pid: number }) => spared.has(pid) || isStorageDaemon(pid)
  // All at once where none is spared, so that none that starts in between is missed (kill(2), pid −1).
  const targets = allProcesses().some(isSpared) ? remainingProcesses(spared).map(({ pid }) => pid) : [-1]
  for (const target of targets) {
    try {
      process.kill(target, signal)
    } catch (error) {
      // ESRCH: it has ended, or no other process is left: the goal of a shutdown.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}

/** Waits until no process remains, or for the given milliseconds. Returns the names of the remaining ones. */
async function waitForEnd(deadline: number, spared: ReadonlySet<number>, eachTime = () => {}): Promise<string[]> {
  const end = performance.now() + deadline
  for (;;) {
    eachTime()
    const remaining = remainingProcesses(spared)
    if (remaining.length === 0) return []
    if (performance.now() >= end) return remaining.map(({ pid, name }) => `${name}[${pid}]`)
    await delay(POLL)
  }
}

/** proc_pid_stat(5): the name stands in parentheses and may itself contain some. */
function readStat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const close = text.lastIndexOf(')')
    const fields = text.slice(close + 2).split(' ')
    const name = foreignText(text.slice(text.indexOf('(') + 1, close))
    return { name, state: fields[0] ?? '', parent: Number(fields[1]), flags: Number(fields[6]) }
  } catch {
    return undefined
  }
}

/** From here on this process must survive the end of its terminal, its parent and its readers. */
export function outlive(): void {
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGPIPE'] as const) process.on(name, () => {})
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  // The addon must be in memory before the file systems go.
  native()
}
