import { abortSignal, callback, type OptionKinds } from '../../options.ts'

/** The progress of a preparation. */
export interface PreparationProgress {
  readonly step: 'unpacking the kernel' | 'unpacking the initrd'
  /** Packed bytes that were read. */
  readonly done: number
  readonly total: number
}

/** How a plan is prepared or loaded. */
export interface PrepareOptions {
  /** Heeded until the syscall begins. */
  readonly signal?: AbortSignal | undefined
  /** Called often, with growing numbers, while something is unpacked. */
  readonly onProgress?: ((progress: PreparationProgress) => void) | undefined
}

export const prepareKinds: OptionKinds<PrepareOptions> = { signal: abortSignal, onProgress: callback }
