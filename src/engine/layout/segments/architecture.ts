import type { ByteSource } from '../../../bytes/bytes.ts'
import type { KernelImage } from '../../../image/model/image.ts'
import type { System } from '../../../system/system.ts'
import type { MachineOptions, PlannedSegment, SegmentImage } from './segment.ts'

/** What is to be laid out, before anything is unpacked or joined. */
export interface PlannedLoad {
  readonly image: KernelImage
  /** The kernel alone, or of a format that tells all in its head, the file that holds it; null while it is not unpacked. */
  readonly source: ByteSource | null
  readonly commandLine: string
  /** Bytes of the kernel alone; the least it can be while it is not unpacked. */
  readonly kernelLength: number
  /** Bytes; 0 for none. */
  readonly initrdLength: number
  /** Whether it is hashed before the jump; false where the architecture cannot. */
  readonly verify: boolean
}

/** The same as it goes into the kernel. */
export interface ReadLoad {
  /** Of what `kernel` holds. */
  readonly image: KernelImage
  readonly commandLine: string
  /** The kernel alone, out of whatever wrapped it. */
  readonly kernel: Buffer
  /** What it would unpack when it starts, to be started in its place; null for the kernel as it is. */
  readonly unpacked: Buffer | null
  /** null for none. */
  readonly initrd: Buffer | null
  readonly verify: boolean
}

/**
 * How kernels of one architecture are laid out for kexec_load. Adding one touches its own file and the list in architectures.ts.
 * `Machine` is what counts of the machine that loads, as each architecture has it.
 */
export interface SegmentArchitecture<Machine = unknown> {
  /** As `familyOf` names it. */
  readonly name: string
  /** Whether it lays out crash kernels, too. */
  readonly loadsCrashKernels: boolean
  /** Whether it can hash what is loaded before it jumps: `verify` of what it is given. */
  readonly verifies: boolean
  /** Whether its kernels are given a device tree. */
  readonly hasDeviceTree: boolean
  /** Whether it is a kernel that this lays out. */
  isLoadable(image: KernelImage): boolean
  /**
   * Reads what the new kernel has to be told of this machine.
   * @throws KexecError 'not-readable' where the kernel hides addresses from this process, 'not-found'; 'no-crash-memory'
   */
  readMachine(system: System, options: MachineOptions): Machine
  /**
   * Finds a place for everything; null where that is not known before the kernel is unpacked.
   * @throws KexecError 'no-memory-hole'; 'damaged-image' for a header with impossible numbers, or a device tree that is too large
   */
  layOut(machine: Machine, load: PlannedLoad): PlannedSegment[] | null
  /**
   * Makes what kexec_load takes.
   * @throws KexecError as `layOut`; 'truncated-kernel'
   */
  build(machine: Machine, load: ReadLoad): SegmentImage
}
