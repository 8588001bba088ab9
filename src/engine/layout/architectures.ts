import type { ByteSource } from '../../bytes/bytes.ts'
import { zImageNeeds } from '../../image/formats/zimage.ts'
import type { KernelImage } from '../../image/model/image.ts'
import type { System } from '../../system/system.ts'
import { buildArm, isArmLoadable, layOutArm, readArmMachine } from './arm.ts'
import { buildArm64, isArm64Loadable, layOutArm64, readArm64Machine } from './arm64/arm64.ts'
import { readPpc64Machine } from './ppc64/machine.ts'
import { buildPpc64, isPpc64Loadable, layOutPpc64 } from './ppc64/ppc64.ts'
import { readPpc64Kernel } from './ppc64/vmlinux.ts'
import { buildRiscv64, isRiscv64Loadable, layOutRiscv64, readRiscv64Machine } from './riscv64.ts'
import type { MachineOptions, PlannedSegment, SegmentImage } from './segments/segment.ts'
import { buildX86, isX86Loadable, layOutX86, readX86Machine, x86KernelOf } from './x86_64/x86_64.ts'

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

/** What was read of a machine, and what can be made of it. */
export interface SegmentMachine {
  /**
   * Finds a place for everything; null where that is not known before the kernel is unpacked.
   * @throws KexecError 'no-memory-hole'; 'damaged-image' for a header with impossible numbers
   */
  layOut(load: PlannedLoad): PlannedSegment[] | null
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
  /** Whether it lays out crash kernels, too. */
  readonly loadsCrashKernels: boolean
  /** Whether it can hash what is loaded before it jumps: `verify` of what it is given. */
  readonly verifies: boolean
  /** Whether it is a kernel that this lays out. */
  isLoadable(image: KernelImage): boolean
  /** Whether its kernels are given a device tree. */
  readonly hasDeviceTree: boolean
  /**
   * Reads what the new kernel has to be told of this machine.
   * @throws KexecError 'not-readable' where the kernel hides addresses from this process, 'not-found'; 'no-crash-memory'
   */
  readMachine(system: System, options: MachineOptions): SegmentMachine
}

const x86_64: SegmentArchitecture = {
  name: 'x86_64',
  hasDeviceTree: false,
  loadsCrashKernels: true,
  verifies: true,
  isLoadable: isX86Loadable,
  readMachine(system, options) {
    const machine = readX86Machine(system, options)
    return {
      layOut: ({ image, source, commandLine, initrdLength, verify }) =>
        source && layOutX86(machine, { kernel: x86KernelOf(image, source), commandLine, initrdLength, verify }),
      build: (load) => buildX86(machine, load, { verify: load.verify }),
    }
  },
}

const arm64: SegmentArchitecture = {
  name: 'aarch64',
  hasDeviceTree: true,
  loadsCrashKernels: true,
  verifies: false,
  isLoadable: isArm64Loadable,
  readMachine(system, options) {
    const machine = readArm64Machine(system, options)
    return {
      layOut: (load) => layOutArm64(machine, load),
      build: ({ image, kernel, initrd, commandLine }) => buildArm64(machine, image, kernel, initrd, commandLine),
    }
  },
}

const riscv64: SegmentArchitecture = {
  name: 'riscv64',
  hasDeviceTree: true,
  loadsCrashKernels: false,
  verifies: false,
  isLoadable: isRiscv64Loadable,
  readMachine(system, { deviceTree }) {
    const machine = readRiscv64Machine(system, deviceTree)
    return { layOut: (load) => layOutRiscv64(machine, load), build: (load) => buildRiscv64(machine, load) }
  },
}

const arm: SegmentArchitecture = {
  name: 'arm',
  hasDeviceTree: true,
  loadsCrashKernels: false,
  verifies: false,
  isLoadable: isArmLoadable,
  readMachine(system, { deviceTree }) {
    const machine = readArmMachine(system, deviceTree)
    return {
      layOut: ({ source, ...sizes }) => source && layOutArm(machine, { ...sizes, needs: zImageNeeds(source) }),
      build: (load) => buildArm(machine, load),
    }
  },
}

/** Its tree is the firmware's own: none is taken from elsewhere. */
const ppc64: SegmentArchitecture = {
  name: 'ppc64',
  hasDeviceTree: false,
  loadsCrashKernels: false,
  verifies: false,
  isLoadable: isPpc64Loadable,
  readMachine(system) {
    const machine = readPpc64Machine(system)
    return {
      layOut: ({ source, ...load }) => source && layOutPpc64(machine, { ...load, kernel: readPpc64Kernel(source) }),
      build: (load) => buildPpc64(machine, load),
    }
  },
}

const architectures: readonly SegmentArchitecture[] = [x86_64, arm64, riscv64, arm, ppc64]

/** In words, for messages: 'x86_64 and aarch64'. */
export const servedArchitectures = new Intl.ListFormat('en').format(architectures.map(({ name }) => name))

/** Who lays out such a kernel; undefined where nobody does. */
export function segmentArchitecture(image: KernelImage): SegmentArchitecture | undefined {
  return architectures.find((each) => each.isLoadable(image))
}
