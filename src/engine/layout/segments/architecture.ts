import type { ByteSource } from '../../../bytes/bytes.ts'
import type { KernelImage } from '../../../image/model/image.ts'
import type { System } from '../../../system/system.ts'
import type { MachineOptions, PlannedSegment, SegmentImage } from './segment.ts'

/** The parts to lay out, before anything is unpacked or joined. */
export interface PlannedLoad {
  readonly image: KernelImage
  /**
   * The kernel alone, or for a format with all facts in its head, the file that holds it; null while it is not
   * unpacked.
   */
  readonly source: ByteSource | null
  readonly commandLine: string
  /** Bytes of the kernel alone; the minimum while it is not unpacked. */
  readonly kernelLength: number
  /** Bytes; 0 for none. */
  readonly initrdLength: number
  /** Whether it is hashed before the jump; false where the architecture has no code for that. */
  readonly verify: boolean
}

/** The same as it goes into the kernel. */
export interface ReadLoad {
  /** The size of `kernel`. */
  readonly image: KernelImage
  readonly commandLine: string
  /** The kernel alone, without its containers. */
  readonly kernel: Buffer
  /** The kernel that it would unpack at its start, to be started in its place; null for the kernel as it is. */
  readonly unpacked: Buffer | null
  /** null for none. */
  readonly initrd: Buffer | null
  readonly verify: boolean
}

/**
 * The layout of one architecture's kernels for kexec_load. A new one touches its own file and the list in
 * architectures.ts. `Machine` holds the relevant facts of the loading machine, different for each architecture.
 */
export interface SegmentArchitecture<Machine = unknown> {
  /** As `familyOf` names it. */
  readonly name: string
  /** Whether it also lays out crash kernels. */
  readonly loadsCrashKernels: boolean
  /** Whether it can hash the segments before it jumps: `verify` of its input. */
  readonly verifies: boolean
  /** Whether its kernels get a device tree. */
  readonly hasDeviceTree: boolean
  /** Whether it lays out this kernel. */
  isLoadable(image: KernelImage): boolean
  /**
   * Reads the facts of this machine that the new kernel needs.
   * @throws KexecError 'not-readable' where the kernel hides addresses from this process, 'not-found'; 'no-crash-memory'
   */
  readMachine(system: System, options: MachineOptions): Machine
  /**
   * Finds a place for everything; null where that is unknown before the kernel is unpacked.
   * @throws KexecError 'no-memory-hole'; 'damaged-image' for a header with impossible numbers, or a device tree that is too large
   */
  layOut(machine: Machine, load: PlannedLoad): PlannedSegment[] | null
  /**
   * Makes the arguments of kexec_load.
   * @throws KexecError as `layOut`; 'truncated-kernel'
   */
  build(machine: Machine, load: ReadLoad): SegmentImage
}
