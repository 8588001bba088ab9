import { lstatSync, readdirSync, statSync } from 'node:fs'
import { availableParallelism, freemem } from 'node:os'
import { join } from 'node:path'
import { memoryFor } from '../../rehearsal/machine/memory.ts'
import type { MatrixCell } from '../model/cell.ts'

const MIB = 1024 * 1024

/** What may be in use at a time. */
export interface Limits {
  /** Cells. */
  readonly jobs: number
  readonly processors: number
  /** MiB. */
  readonly memory: number
}

/** What one cell uses. */
export type Needs = Omit<Limits, 'jobs'>

/** MiB of QEMU itself beside the memory of its machine. */
const QEMU = 256

/** MiB that the initrd of the loading kernel has beside the plan's files: mostly Node and its libraries. */
const TOOLS = 160

/** Of the memory that is available, how much may be taken: files that are read need some. */
const SHARE = 0.8

/**
 * This machine's, with the limits of its control group.
 * @param jobs cells at a time, whatever the processors; the memory counts nevertheless
 */
export function machineLimits(jobs?: number): Limits {
  // Node 20 before 20.13, and other runtimes, have only the whole machine's.
  const available = process.availableMemory?.() ?? freemem()
  return {
    jobs: jobs ?? Number.POSITIVE_INFINITY,
    processors: jobs === undefined ? availableParallelism() : Number.POSITIVE_INFINITY,
    memory: Math.floor((available * SHARE) / MIB),
  }
}

export function needsOf({ to, settings }: MatrixCell): Needs {
  const added = (settings.overlay ?? []).map(({ source }) => source as string)
  const planned = [to.kernel, ...to.initrds, ...added].reduce((sum, path) => sum + sizeOf(path), 0)
  const memory = settings.memory ?? memoryFor(TOOLS * MIB + planned, planned)
  return { processors: settings.cpus ?? 1, memory: memory + QEMU }
}

/** Bytes of a file, or of all files in a directory. */
function sizeOf(path: string, stats = statSync(path, { throwIfNoEntry: false })): number {
  if (stats?.isDirectory() !== true) return stats?.size ?? 0
  const members = readdirSync(path).map((name) => join(path, name))
  return members.reduce((sum, each) => sum + sizeOf(each, lstatSync(each, { throwIfNoEntry: false })), 0)
}
