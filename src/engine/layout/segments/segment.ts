import type { DeviceTree } from '../../../device-tree/tree.ts'
import type { NativeSegment } from '../../../native.ts'

/** The place of a part when the new kernel starts. Addresses and sizes in bytes, of whole pages. */
export interface PlannedSegment {
  /** 'kernel', 'initrd', 'boot parameters', 'trampoline'; for a crash kernel also 'ELF core header'. */
  readonly name: string
  /** Physical. */
  readonly address: number
  readonly size: number
  /** Bytes that are copied there; the rest of the size becomes zeros. */
  readonly length: number
}

/** A segment with its bytes. */
export interface FilledSegment extends NativeSegment {
  /** As `PlannedSegment` has it. */
  readonly name: string
}

/** The arguments of kexec_load. */
export interface SegmentImage {
  /** The running kernel's jump target, physical. */
  readonly entry: number
  readonly segments: readonly FilledSegment[]
  /** Architecture, in the upper half. */
  readonly flags: number
}

/** The purpose of reading a machine. */
export interface MachineOptions {
  /** For a crash kernel. */
  readonly panic: boolean
  /** The device tree in place of the running one. */
  readonly deviceTree: DeviceTree | null
  /** Whether large parts must lie in memory that is free now, where possible. */
  readonly inFreeMemory: boolean
}

/** A short form of the kernel's physical addresses: '0x0000000001000000' is longer than anyone reads. */
export function formatAddress(address: number): string {
  return `0x${address.toString(16)}`
}
