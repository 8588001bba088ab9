import type { Piece } from '../segments/placement.ts'

/** A part of a kernel that is copied to its own place. Bytes; both addresses of whole pages. */
export interface KernelPart {
  /** Offset from the beginning of the whole kernel. */
  readonly offset: number
  readonly length: number
  /** Its size in memory: the rest behind the copied bytes becomes zeros. */
  readonly size: number
}

/** A kernel to lay out, in either format. */
export interface X86Kernel {
  /** The range that must hold nothing else when the kernel starts, in one piece. */
  readonly whole: Piece
  /** The parts that are copied; ascending, without overlaps. */
  readonly parts: readonly KernelPart[]
  /** The 64-bit entry point, bytes from the beginning of the whole. */
  readonly entry: number
  /** The limit of an initrd's end; Infinity for anywhere. */
  readonly initrdLimit: number
}
