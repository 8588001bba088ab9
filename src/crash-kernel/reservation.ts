import type { BootSource } from '../entries/model/entry.ts'
import { howToSet, placeOfParameter } from '../entries/paths/parameter-place.ts'
import type { Evidence } from '../errors.ts'
import { memoryEvidence, readMemoryInfo } from '../system/memory-info.ts'
import type { System } from '../system/system.ts'
import { formatBytes } from '../text.ts'

const MIB = 1024 ** 2
const GIB = 1024 ** 3

/**
 * Memory that a crash kernel needs beyond itself and its initrd to boot and write a dump, in bytes. Debian's needs
 * about 100 MiB.
 */
const TO_RUN = 128 * MIB

/**
 * MiB to reserve, each from a number of bytes of memory on: the defaults of Fedora's and RHEL's kdump-utils, by
 * architecture.
 */
const BY_MEMORY: Readonly<Record<string, readonly (readonly [from: number, reserve: number])[]>> = {
  x86_64: [
    [0, 128],
    [GIB, 192],
    [4 * GIB, 256],
    [64 * GIB, 512],
  ],
  aarch64: [
    [0, 192],
    [2 * GIB, 256],
    [4 * GIB, 320],
    [64 * GIB, 576],
  ],
  ppc64le: [
    [0, 256],
    [2 * GIB, 384],
    [4 * GIB, 512],
    [16 * GIB, 1024],
    [64 * GIB, 2048],
    [128 * GIB, 4096],
  ],
}

/** The size to reserve, and the evidence. */
export interface Recommendation {
  /** 'crashkernel=256M'. */
  readonly parameter: string
  readonly bytes: number
  readonly evidence: readonly Evidence[]
}

/**
 * What to reserve for a crash kernel on this machine: as much as distributions reserve for this amount of memory, or
 * more where kernel and initrd need it.
 * @param needed bytes that the kernel, the initrd and its unpacked contents take; null when unknown
 */
export function recommendReservation(
  system: System,
  architecture: string | null,
  needed: number | null,
): Recommendation {
  const total = readMemoryInfo(system)('MemTotal')
  const steps = BY_MEMORY[architecture ?? ''] ?? BY_MEMORY['x86_64'] ?? []
  const usual = steps.findLast(([from]) => (total ?? GIB) >= from)?.[1] ?? 0
  const own = needed === null ? 0 : Math.ceil((needed + TO_RUN) / MIB / 64) * 64
  const mebibytes = Math.max(usual, own)
  const evidence = total === undefined ? [] : [memoryEvidence('MemTotal', total)]
  return { parameter: `crashkernel=${mebibytes}M`, bytes: mebibytes * MIB, evidence }
}

/**
 * How to have memory reserved: where the parameter goes in this boot loader's configuration, as a sentence.
 * @param old the running kernel's parameter, which is replaced; null where it has none
 */
export function howToReserve(
  system: System,
  { parameter, bytes }: Recommendation,
  source: BootSource | null,
  old: string | null = null,
): string {
  const total = readMemoryInfo(system)('MemTotal') ?? 0
  const share =
    total > 0 && bytes > total / 2 ? ` It is more than half of ${formatBytes(total)}: a smaller initrd needs less.` : ''
  return `${howToSet(placeOfParameter(system, 'crashkernel', source), parameter, old)}, and reboot.${share}`
}
