import type { DeviceTree } from '../../../device-tree/tree.ts'
import type { NativeSegment } from '../../../native.ts'

/** Where a part of what is loaded will lie when the new kernel starts. Addresses and sizes in bytes, of whole pages. */
export interface PlannedSegment {
  /** 'kernel', 'initrd', 'boot parameters', 'trampoline'; of a crash kernel also 'ELF core header'. */
  readonly name: string
  /** Physical. */
  readonly address: number
  readonly size: number
  /** Bytes that are copied there; what is left of the size becomes zeros. */
  readonly length: number
}

/** A segment with its bytes. */
export interface FilledSegment extends NativeSegment {
  /** As `PlannedSegment` has it. */
  readonly name: string
}

/** What kexec_load takes. */
export interface SegmentImage {
  /** Where the running kernel jumps to, physical. */
  readonly entry: number
  readonly segments: readonly FilledSegment[]
  /** Architecture, in the upper half. */
  readonly flags: number
}

/** What a machine is read for. */
export interface MachineOptions {
  /** For a crash kernel. */
  readonly panic: boolean
  /** In place of the running one. */
  readonly deviceTree: DeviceTree | null
  /** Whether what is large is to lie in memory that is free now, where that can be. */
  readonly inFreeMemory: boolean
}

/** As the kernel prints physical addresses: '0x0000000001000000' is longer than anyone reads. */
export function formatAddress(address: number): string {
  return `0x${address.toString(16)}`
}
