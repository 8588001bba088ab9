/** How far a preparation is. */
export interface PreparationProgress {
  readonly step: 'unpacking the kernel' | 'unpacking the initrd'
  /** Bytes of what is packed that were read. */
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
