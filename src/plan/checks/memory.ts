import { status } from '../../engine/status.ts'
import { type Evidence, KexecError } from '../../errors.ts'
import type { System } from '../../system/system.ts'
import type { Findings } from '../decision.ts'
import { formatBytes } from '../text.ts'

/** The sizes that count, bytes. */
export interface LoadSizes {
  /** The kernel as the syscall reads it: unpacked. */
  readonly kernelFile: number
  /** What the kernel says it takes up at its place (init_size, image_size); null where it does not say. */
  readonly kernelMemory: number | null
  /** All that is joined to the initrd. */
  readonly initrdBytes: number
  /** What is yet to be written to memory files before the syscall: unpacked and joined. */
  readonly copiedBytes: number
}

/** What of /proc/meminfo counts, bytes; null for what the kernel does not tell. */
interface Memory {
  readonly total: number | null
  readonly available: number | null
  readonly swap: number
  readonly evidence: readonly Evidence[]
}

const MEMINFO = '/proc/meminfo'
const PAGE = 4096

/** A page of the list of pages holds 512 entries: kimage_add_entry of kernel/kexec_core.c. */
const LISTED_PER_PAGE = 512

/** Beyond this part of what is available a load is called close: others need memory meanwhile. */
const CLOSE = 0.9

/** What a crash kernel wants beyond itself and its initrd to come up, bytes: less is warned of. Debian's needs about 100 MiB. */
const CRASH_WORKING_MEMORY = 64 * 1024 ** 2

/** Refuses what certainly does not fit into memory, and warns of what hardly does; all numbers are in the evidence. */
export function checkMemory(system: System, sizes: LoadSizes, panic: boolean, findings: Findings): void {
  const memory = readMemory(system)
  if (memory.total === null && memory.available === null) {
    findings.leaveUnchecked(`whether the memory suffices: there is no ${MEMINFO}`)
  }
  if (panic) checkCrashMemory(system, sizes, findings)
  else checkHalf(sizes, memory, findings)
  checkAvailable(system, sizes, memory, panic, findings)
}

/** What stays until the new kernel starts: one page for each page it gets. */
function placedBytes({ kernelFile, kernelMemory, initrdBytes }: LoadSizes): number {
  return pages(kernelMemory ?? kernelFile) + pages(initrdBytes)
}

/**
 * What kexec_file_load takes at its peak, with what was copied before: it reads both files into buffers of their size, copies
 * them page by page to where they stay, and frees the buffers at the end (kimage_file_alloc_init and kimage_load_segment,
 * kernel/kexec_file.c). A crash kernel is copied into memory that was reserved at boot.
 */
function peakBytes(sizes: LoadSizes, panic: boolean): number {
  const read = pages(sizes.kernelFile) + pages(sizes.initrdBytes)
  const placed = panic ? 0 : placedBytes(sizes)
  return sizes.copiedBytes + read + placed + pages(placed / LISTED_PER_PAGE)
}

/** sanity_check_segment_list of kernel/kexec_core.c: MemTotal is its totalram_pages(). */
function checkHalf(sizes: LoadSizes, { total, evidence }: Memory, findings: Findings): void {
  const needed = placedBytes(sizes)
  if (total === null || needed <= total / 2) return
  findings.refuse(
    refusal(
      `kernel and initrd take ${formatBytes(needed)}, and Linux loads at most half of the memory, ${formatBytes(total / 2)}`,
      { code: 'EINVAL', hint: hintFor(sizes), evidence: [...evidence, ...evidenceOf(sizes, 'to stay loaded', needed)] },
    ),
  )
}

/**
 * MemAvailable is what can be had without swapping, and is cautious: it leaves out what the kernel keeps for itself. With the
 * free swap it is the most there is, so what needs more fails, after other programs were killed for want of memory.
 */
function checkAvailable(system: System, sizes: LoadSizes, memory: Memory, panic: boolean, findings: Findings): void {
  const { available, swap, total } = memory
  if (available === null) return
  const needed = peakBytes(sizes, panic)
  const numbers = `loading takes ${formatBytes(needed)} for a moment, and ${formatBytes(available)} of memory are available`
  if (needed > available + swap + reserveOf(total)) {
    const evidence = [...memory.evidence, ...evidenceOf(sizes, 'needed for a moment', needed)]
    const loaded = !panic && status(system).loaded
    const hint = loaded ? '`linux-kexec unload` frees what is loaded now; or stop programs.' : hintFor(sizes)
    findings.refuse(
      refusal(swap > 0 ? `${numbers}, with ${formatBytes(swap)} of swap` : numbers, { code: 'ENOMEM', hint, evidence }),
    )
  } else if (needed > available) {
    findings.warn(`${numbers}: others will be swapped out, or killed for want of memory`)
  } else if (needed > available * CLOSE) {
    findings.warn(`${numbers}: that is close`)
  }
}

/** What the kernel may take beyond MemAvailable. */
function reserveOf(total: number | null): number {
  return (total ?? 0) / 32
}

/** A crash kernel must fit into what was reserved for it at boot. */
function checkCrashMemory(system: System, sizes: LoadSizes, findings: Findings): void {
  const { crashSize } = status(system)
  if (crashSize === null) {
    findings.leaveUnchecked(
      'whether the memory reserved for a crash kernel suffices: /sys/kernel/kexec_crash_size is not there',
    )
    return
  }
  const needed = placedBytes(sizes)
  const evidence = [
    { source: '/sys/kernel/kexec_crash_size', value: String(crashSize) },
    ...evidenceOf(sizes, 'to stay loaded', needed),
  ]
  if (crashSize === 0) {
    findings.refuse(
      new KexecError('no memory is reserved for a crash kernel', {
        reason: 'no-crash-memory',
        code: 'EADDRNOTAVAIL',
        hint: 'Boot with crashkernel=256M (or larger) on the kernel command line.',
        evidence,
        refused: true,
      }),
    )
  } else if (needed > crashSize) {
    findings.refuse(
      new KexecError(
        `kernel and initrd take ${formatBytes(needed)}, and ${formatBytes(crashSize)} are reserved for a crash kernel`,
        {
          reason: 'no-crash-memory',
          code: 'EADDRNOTAVAIL',
          hint: `Boot with crashkernel=${roundedUp(needed + CRASH_WORKING_MEMORY)}M, or use a smaller initrd.`,
          evidence,
          refused: true,
        },
      ),
    )
  } else if (needed + CRASH_WORKING_MEMORY > crashSize) {
    findings.warn(
      `of ${formatBytes(crashSize)} reserved for a crash kernel, kernel and initrd take ${formatBytes(needed)}: what is left may not suffice to unpack the initrd and to run (crashkernel=${roundedUp(needed + 2 * CRASH_WORKING_MEMORY)}M)`,
    )
  }
}

/** MiB, in steps of 64. */
function roundedUp(bytes: number): number {
  return Math.ceil(bytes / 1024 ** 2 / 64) * 64
}

function refusal(
  summary: string,
  details: { readonly code: string; readonly hint: string; readonly evidence: readonly Evidence[] },
): KexecError {
  return new KexecError(summary, { reason: 'no-memory', refused: true, ...details })
}

function hintFor({ initrdBytes, kernelFile }: LoadSizes): string {
  return initrdBytes > kernelFile ? 'Use a smaller initrd, or free memory.' : 'Free memory: stop programs.'
}

function evidenceOf(sizes: LoadSizes, what: string, sum: number): Evidence[] {
  const { kernelFile, kernelMemory, initrdBytes, copiedBytes } = sizes
  const bytes = (source: string, value: number) => ({ source, value: `${value} bytes` })
  return [
    bytes('the kernel', kernelFile),
    ...(kernelMemory === null ? [] : [bytes('the kernel at its place, by its header', kernelMemory)]),
    bytes('the initrd', initrdBytes),
    ...(copiedBytes === 0 ? [] : [bytes('to be unpacked and joined in memory', copiedBytes)]),
    bytes(what, sum),
  ]
}

function readMemory(system: System): Memory {
  const text = system.readText(MEMINFO) ?? ''
  const evidence: Evidence[] = []
  const read = (name: string) => {
    const [, value] = new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(text) ?? []
    if (value === undefined) return null
    evidence.push({ source: `${MEMINFO} ${name}`, value: `${value} kB` })
    return Number(value) * 1024
  }
  const [total, available, swap] = [read('MemTotal'), read('MemAvailable'), read('SwapFree')]
  return { total, available, swap: swap ?? 0, evidence }
}

function pages(bytes: number): number {
  return Math.ceil(bytes / PAGE) * PAGE
}
