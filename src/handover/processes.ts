import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** PF_KTHREAD of include/linux/sched.h: kernel threads take no signals. */
const PF_KTHREAD = 0x00200000

const POLL = 50

/** Processes that a shutdown has to end: all but PID 1, this one, kernel threads and those that have ended already. */
export function remainingProcesses(): { pid: number; name: string }[] {
  const remaining: { pid: number; name: string }[] = []
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry)
    if (!Number.isInteger(pid) || pid === 1 || pid === process.pid) continue
    const stat = readStat(pid)
    if (stat === undefined || stat.state === 'Z' || stat.state === 'X' || stat.flags & PF_KTHREAD) continue
    remaining.push({ pid, name: stat.name })
  }
  return remaining
}

/** Sends a signal to every process but PID 1 and this one (kill(2), pid −1). */
export function signalAll(signal: 'SIGTERM' | 'SIGKILL' | 'SIGCONT'): void {
  try {
    process.kill(-1, signal)
  } catch (error) {
    // ESRCH: there is no other process, which is what a shutdown wants.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/**
 * Waits until no process remains.
 * @param deadline milliseconds
 * @returns the names of those that remain at the deadline
 */
export async function waitForEnd(deadline: number): Promise<string[]> {
  const end = performance.now() + deadline
  for (;;) {
    const remaining = remainingProcesses()
    if (remaining.length === 0) return []
    if (performance.now() >= end) return remaining.map(({ pid, name }) => `${name}[${pid}]`)
    await delay(POLL)
  }
}

/** proc_pid_stat(5): the name stands in parentheses and may itself contain some. */
function readStat(pid: number): { name: string; state: string; flags: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const close = text.lastIndexOf(')')
    const fields = text.slice(close + 2).split(' ')
    return { name: text.slice(text.indexOf('(') + 1, close), state: fields[0] ?? '', flags: Number(fields[6]) }
  } catch {
    return undefined
  }
}
