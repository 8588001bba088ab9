import type { ByteSource } from '../../image/bytes.ts'
import type { KernelImage } from '../../image/index.ts'
import type { System } from '../../system/system.ts'
import type { PlannedSegment, SegmentImage } from './segment.ts'
import { buildX86, isX86Loadable, layOutX86, readX86Machine, x86KernelOf } from './x86_64.ts'

/** What is to be laid out, before anything is unpacked or joined. */
export interface PlannedLoad {
  readonly image: KernelImage
  /** The kernel alone; of a format that tells all in its head, the file that holds it will do. */
  readonly source: ByteSource
  readonly commandLine: string
  /** Bytes; 0 for none. */
  readonly initrdLength: number
}

/** The same as it goes into the kernel. */
export interface ReadLoad {
  /** Of what `kernel` holds. */
  readonly image: KernelImage
  readonly commandLine: string
  /** The kernel alone, out of whatever wrapped it. */
  readonly kernel: Buffer
  /** null for none. */
  readonly initrd: Buffer | null
}

/** What was read of a machine, and what can be made of it. */
export interface SegmentMachine {
  /**
   * Finds a place for everything.
   * @throws KexecError 'no-memory-hole'; 'damaged-image' for a header with impossible numbers
   */
  layOut(load: PlannedLoad): PlannedSegment[]
  /**
   * Makes what kexec_load takes.
   * @throws KexecError as `layOut`
   */
  build(load: ReadLoad): SegmentImage
}

/** How kernels of one architecture are laid out for kexec_load. Adding one touches its own file and the list below. */
export interface SegmentArchitecture {
  /** As `familyOf` names it. */
  readonly name: string
  /** Whether it is a kernel that this lays out. */
  isLoadable(image: KernelImage): boolean
  /**
   * Reads what the new kernel has to be told of this machine.
   * @throws KexecError 'not-readable' where the kernel hides addresses from this process, 'not-found'
   */
  readMachine(system: System): SegmentMachine
}

const x86_64: SegmentArchitecture = {
  name: 'x86_64',
  isLoadable: isX86Loadable,
  readMachine(system) {
    const machine = readX86Machine(system)
    return {
      layOut: ({ image, source, commandLine, initrdLength }) =>
        layOutX86(machine, { kernel: x86KernelOf(image, source), commandLine, initrdLength }),
      build: ({ kernel, initrd, commandLine }) => buildX86(machine, kernel, initrd, commandLine),
    }
  },
}

const architectures: readonly SegmentArchitecture[] = [x86_64]

/** Who lays out such a kernel; undefined where nobody does. */
export function segmentArchitecture(image: KernelImage): SegmentArchitecture | undefined {
  return architectures.find((each) => each.isLoadable(image))
}
