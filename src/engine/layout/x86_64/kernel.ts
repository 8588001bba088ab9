import type { Piece } from '../segments/placement.ts'

/** A part of a kernel that is copied to its own place. Bytes; both addresses of whole pages. */
export interface KernelPart {
  /** From where the whole kernel begins. */
  readonly offset: number
  readonly length: number
  /** What it takes up: what lies behind the bytes copied becomes zeros. */
  readonly size: number
}

/** A kernel to be laid out, whichever format it is in. */
export interface X86Kernel {
  /** All that must be free of anything else when the kernel starts, in one piece. */
  readonly whole: Piece
  /** What of it is copied; ascending, none on another. */
  readonly parts: readonly KernelPart[]
  /** The 64-bit entry point, bytes from where the whole begins. */
  readonly entry: number
  /** What an initrd may not reach beyond; Infinity for anywhere. */
  readonly initrdLimit: number
}
