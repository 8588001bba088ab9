import { KexecError } from '../errors.ts'
import { type MemoryRange, merged } from './memory-ranges.ts'
import type { System } from './system.ts'

/** One line of /proc/iomem: the running kernel's view of a range of physical addresses. */
export interface Resource extends MemoryRange {
  readonly name: string
  /** 0 for the outermost ones. */
  readonly depth: number
}

/** One range of the map that the firmware gave to the first kernel, even after any number of kexecs. */
export interface FirmwareRange extends MemoryRange {
  /** The kernel's name for it: 'System RAM', 'Reserved', 'ACPI Tables', … */
  readonly type: string
}

export const IOMEM = '/proc/iomem'
export const FIRMWARE_MAP = '/sys/firmware/memmap'

/** The most ranges of the firmware's map that are read: far more than any firmware has (some thousand were seen). */
const MAX_RANGES = 16_384

/**
 * Reads /proc/iomem.
 * @throws KexecError 'not-readable' when it shows zeros, as it does to a process without CAP_SYS_ADMIN; 'not-found'
 */
export function readResources(system: System): Resource[] {
  const text = system.readText(IOMEM)
  if (text === undefined) {
    throw new KexecError('there is no memory map, which is needed to place the new kernel', {
      reason: 'not-found',
      path: IOMEM,
      hint: 'Mount /proc.',
      refused: true,
    })
  }
  const resources = text.split('\n').flatMap((line) => resourceOf(line) ?? [])
  const isHidden = resources.length > 0 && resources.every(({ start, end }) => start === 0 && end === 1)
  if (isHidden) {
    throw new KexecError('the memory map shows zeros for addresses: this process may not see them', {
      reason: 'not-readable',
      path: IOMEM,
      hint: 'Run it as root, or give the process CAP_SYS_ADMIN.',
      evidence: [{ source: IOMEM, value: text.split('\n', 1)[0]?.trim() ?? '' }],
      refused: true,
    })
  }
  return resources
}

function resourceOf(line: string): Resource | undefined {
  const [, indent, first, last, name] = /^( *)([0-9a-f]{1,16})-([0-9a-f]{1,16}) : (.*)$/.exec(line) ?? []
  if (indent === undefined || first === undefined || last === undefined || name === undefined) return undefined
  const range = rangeOf(`0x${first}`, `0x${last}`)
  return range && { ...range, name, depth: indent.length / 2 }
}

/** Of the first and the last address; undefined for other texts, or beyond any machine's range. */
function rangeOf(first: string, last: string): MemoryRange | undefined {
  const [start, end] = [Number(first), Number(last) + 1]
  return Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start < end
    ? { start, end }
    : undefined
}

/** Memory that the running kernel uses as such, without the parts in it that outlive the kernel. */
export function usableMemory(resources: readonly Resource[]): { ram: MemoryRange[]; occupied: MemoryRange[] } {
  const ram: MemoryRange[] = []
  const occupied: MemoryRange[] = []
  let isRam = false
  for (const { depth, name, start, end } of resources) {
    // 'System RAM (virtio_mem)' and similar ranges belong to a driver, from which the new kernel requests them again.
    if (depth === 0) isRam = name === 'System RAM'
    if (!isRam) continue
    if (depth === 0) ram.push({ start, end })
    else if (!diesWithTheKernel.test(name)) occupied.push({ start, end })
  }
  // Kernels before 6.16 show their setup_data separately, in ranges that are not whole pages.
  return { ram: merged(ram), occupied }
}

/** Children of 'System RAM' that are not needed once the new kernel runs. */
const diesWithTheKernel = /^(Kernel (code|rodata|data|bss)|Crash kernel)$/

/**
 * The firmware's map (Documentation/ABI/testing/sysfs-firmware-memmap), ascending; empty where the kernel does not show
 * it (CONFIG_FIRMWARE_MEMMAP), or not to this user.
 */
export function readFirmwareMap(system: System): FirmwareRange[] {
  const names = system.list(FIRMWARE_MAP).filter((name) => /^\d+$/.test(name))
  const ranges = names.slice(0, MAX_RANGES).flatMap((name) => {
    const read = (file: string) => system.readText(`${FIRMWARE_MAP}/${name}/${file}`)?.trim() ?? ''
    const range = rangeOf(read('start') || 'x', read('end') || 'x')
    return range === undefined ? [] : [{ ...range, type: read('type') }]
  })
  return ranges.sort((a, b) => a.start - b.start)
}
