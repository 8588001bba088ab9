import { type Evidence, KexecError } from '../../errors.ts'
import { isAtLeast } from '../../policy/signature-check.ts'
import { MEMINFO, memoryEvidence, readMemoryInfo } from '../../system/memory-info.ts'
import type { System } from '../../system/system.ts'
import { formatBytes } from '../../text.ts'
import type { RunningMachine } from '../context/running-machine.ts'
import type { LoadSizes } from '../context/sizes.ts'
import { type Remark, remarksOn } from '../model/remark.ts'

const { warning, refusal, unchecked } = remarksOn('memory')

/** The values of /proc/meminfo that count, in bytes; null where the kernel does not report one. */
interface Memory {
  readonly total: number | null
  readonly available: number | null
  /** All memory that could be freed if nothing were kept back for others. MemAvailable leaves out some of it. */
  readonly most: number | null
  readonly swap: number
  readonly evidence: readonly Evidence[]
}

const PAGE = 4096

/** A page of the list of pages holds 512 entries: kimage_add_entry of kernel/kexec_core.c. */
const LISTED_PER_PAGE = 512

/** A load above this part of the available memory is called close: others need memory during it. */
const CLOSE = 0.9

/** The contents that must fit into memory. */
export interface MemoryLoad {
  readonly sizes: LoadSizes
  readonly panic: boolean
}

/**
 * Refuses a load that certainly does not fit into memory, and warns of one that hardly fits. All numbers are in the
 * evidence.
 */
export function checkMemory(system: System, running: RunningMachine, load: MemoryLoad): Remark[] {
  const memory = readMemory(system)
  const isKnown = memory.total !== null || memory.available !== null
  const remarks = isKnown ? [] : [unchecked('memory', `whether the memory is enough: there is no ${MEMINFO}`)]
  return [...remarks, ...checkGeneralMemory(running, load, memory)]
}

/** Memory that stays taken until the new kernel starts: one page for each of its pages. */
export function placedBytes({ kernelFile, kernelMemory, initrdBytes }: LoadSizes): number {
  return pages(kernelMemory ?? kernelFile) + pages(initrdBytes)
}

/** Memory taken while the syscall reads: both files go into buffers of their size (kernel_read_file_from_fd). */
function readBytes({ kernelFile, initrdBytes, copiedBytes }: LoadSizes): number {
  return copiedBytes + pages(kernelFile) + pages(initrdBytes)
}

/**
 * The peak memory of kexec_file_load, with the earlier copies. It copies its buffers page by page to their final place,
 * and frees them at the end (kimage_load_segment of kernel/kexec_core.c). A crash kernel is copied into memory that was
 * reserved at boot.
 */
function peakBytes(sizes: LoadSizes, panic: boolean): number {
  const placed = panic ? 0 : placedBytes(sizes)
  const read = readBytes(sizes)
  return Math.max(read, read - (sizes.releasedBytes ?? 0) + placed + pages(placed / LISTED_PER_PAGE))
}

/**
 * Makes sure that a load leaves memory to others: a measure that only saves time must not harm them.
 * @throws KexecError 'no-memory' even where `checkMemory` would only warn
 */
export function requireAmpleMemory(system: System, sizes: LoadSizes): void {
  const memory = readMemory(system)
  const placed = placedBytes(sizes)
  const peak = peakBytes(sizes, false)
  const problem =
    placed > halfOf(memory)
      ? overHalfOf(memory, placed)
      : peak > (memory.available ?? Number.POSITIVE_INFINITY) * CLOSE
        ? shortage(peak, { ...memory, swap: 0 })
        : null
  if (problem !== null) {
    const hint = 'Free memory by ending programs, or load a smaller initrd.'
    throw new KexecError(problem, { reason: 'no-memory', hint, evidence: memory.evidence, refused: true })
  }
}

/**
 * Half of the memory is what sanity_check_segment_list of kernel/kexec_core.c allows; MemTotal is its totalram_pages().
 * MemAvailable is the memory available without swapping. Seen on Debian 6.1, 512 MiB and 1 GiB: a load whose peak was
 * below it succeeded, and one 2 to 5 % above was ended by the OOM killer, which may take any program. MemAvailable
 * leaves out what the kernel keeps back, and half of the page cache at most, so a load beyond it gets a warning. A load
 * beyond all freeable memory and the free swap is refused. The limit of half of the memory came with 4.8.
 */
function checkGeneralMemory(running: RunningMachine, { sizes, panic }: MemoryLoad, memory: Memory): Remark[] {
  const { available, most, swap, evidence } = memory
  const [placed, peak] = [panic ? 0 : placedBytes(sizes), peakBytes(sizes, panic)]
  // The kernel may use memory that MemAvailable leaves out, and then run short for others. That is not a certain
  // refusal.
  const room = most === null ? Number.POSITIVE_INFINITY : most + swap
  const overHalf = placed > halfOf(memory) && isAtLeast(running.release, 4, 8) !== false
  if (overHalf || peak > room) {
    const problems = [
      ...(overHalf ? [overHalfOf(memory, placed)] : []),
      ...(peak > room ? [shortage(peak, memory)] : []),
    ]
    const sums = [bytes('what stays loaded', placed), bytes('what loading takes at its peak', peak)]
    const error = new KexecError(problems.join('; '), {
      reason: 'no-memory',
      // In the order the kernel meets them.
      code: overHalf && readBytes(sizes) <= room ? 'EINVAL' : 'ENOMEM',
      hint: hintFor(running, sizes, overHalf || panic),
      evidence: [...evidence, ...evidenceOf(sizes), ...sums],
      refused: true,
    })
    return [refusal(error)]
  }
  if (available === null || peak <= available * CLOSE) return []
  const others = peak > available + swap ? 'the kernel may end other programs for it' : 'others will be swapped out'
  const consequence = peak > available ? others : 'that is close'
  return [warning('memory-short', `${shortage(peak, memory)}: ${consequence}`)]
}

function halfOf({ total }: Memory): number {
  return (total ?? Number.POSITIVE_INFINITY) / 2
}

function overHalfOf(memory: Memory, placed: number): string {
  return `kernel and initrd take ${formatBytes(placed)}, and Linux loads at most half of the memory, ${formatBytes(halfOf(memory))}`
}

function shortage(peak: number, { available, swap }: Memory): string {
  const more = swap > 0 ? ` and ${formatBytes(swap)} of swap` : ''
  return `loading takes ${formatBytes(peak)} for a moment, and ${formatBytes(available ?? 0)} of memory${more} are available`
}

function hintFor({ held }: RunningMachine, { initrdBytes, kernelFile }: LoadSizes, onlySmaller: boolean): string {
  if (!onlySmaller && held.loaded) return '`linux-kexec unload` frees what is loaded now; or stop programs.'
  const smaller = initrdBytes > kernelFile
  if (onlySmaller) return smaller ? 'Use a smaller initrd.' : 'Use a smaller kernel, or stop programs.'
  return smaller ? 'Use a smaller initrd, or stop programs.' : 'Stop programs.'
}

/** The sizes as evidence. */
export function evidenceOf({ kernelFile, kernelMemory, initrdBytes, copiedBytes }: LoadSizes): Evidence[] {
  return [
    bytes('the kernel', kernelFile),
    ...(kernelMemory === null ? [] : [bytes('the kernel at its place, by its header', kernelMemory)]),
    bytes('the initrd', initrdBytes),
    ...(copiedBytes === 0 ? [] : [bytes('to be unpacked and joined in memory', copiedBytes)]),
  ]
}

/** A number of bytes as evidence. */
export function bytes(source: string, value: number): Evidence {
  return { source, value: `${value} bytes` }
}

function readMemory(system: System): Memory {
  const info = readMemoryInfo(system)
  const evidence: Evidence[] = []
  const read = (name: string) => {
    const bytes = info(name)
    if (bytes === undefined) return null
    evidence.push(memoryEvidence(name, bytes))
    return bytes
  }
  const [total, available, swap] = [read('MemTotal'), read('MemAvailable'), read('SwapFree')]
  const known = evidence.slice()
  const [free, buffers, cached, shared, reclaimable] = ['MemFree', 'Buffers', 'Cached', 'Shmem', 'SReclaimable'].map(
    read,
  )
  const freeable = (free ?? 0) + (buffers ?? 0) + Math.max(0, (cached ?? 0) - (shared ?? 0)) + (reclaimable ?? 0)
  const most = available === null ? null : Math.max(available, freeable)
  return { total, available, most, swap: swap ?? 0, evidence: known }
}

function pages(bytes: number): number {
  return Math.ceil(bytes / PAGE) * PAGE
}
