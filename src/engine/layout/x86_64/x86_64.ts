import { randomBytes } from 'node:crypto'
import { memoryBytes } from '../../../bytes/bytes.ts'
import { isElf } from '../../../bytes/elf.ts'
import { KexecError } from '../../../errors.ts'
import type { KernelImage } from '../../../image/model/image.ts'
import { readSetupHeader } from '../../../image/model/setup-header.ts'
import type { NativeSegment } from '../../../native.ts'
import { optionName } from '../../../option-name.ts'
import { architectures } from '../../../system/architecture.ts'
import { KEXEC_ON_CRASH, KEXEC_UPDATE_ELFCOREHDR, kexecArchitecture } from '../../../system/kexec-abi.ts'
import { readFirmwareMap, readResources, usableMemory } from '../../../system/memory-map.ts'
import { type MemoryRange, merged, roundUp, wholePages, within, without } from '../../../system/memory-ranges.ts'
import type { System } from '../../../system/system.ts'
import { coreHeader, coreHeaderSize } from '../crash-dump/elf-core.ts'
import type { PlannedLoad, ReadLoad, SegmentArchitecture } from '../segments/architecture.ts'
import { longestFreeRange } from '../segments/free-memory.ts'
import { layOutPreferring, type Piece, place } from '../segments/placement.ts'
import { formatAddress, type MachineOptions, type PlannedSegment, type SegmentImage } from '../segments/segment.ts'
import { type BootFacts, bootParameters, bootParametersSize } from './boot-parameters.ts'
import { bzImageKernel } from './bzimage.ts'
import { type CrashState, readCrashState } from './crash.ts'
import { E820_RAM, e820For } from './e820.ts'
import { readEfiState } from './efi-state.ts'
import type { X86Kernel } from './kernel.ts'
import { bootedE820, field, readBootParameters } from './running-boot.ts'
import { TRAMPOLINE_SIZE, trampoline } from './trampoline.ts'
import { unpackedKernel } from './unpacked-kernel.ts'
import { TABLE, VERIFICATION_SIZE, verification } from './verification.ts'
import { readVmlinux, type VmlinuxOptions, vmlinuxHeader } from './vmlinux.ts'

const PAGE: number = architectures.x86_64.largestPage
const MEBIBYTE = 2 ** 20
const GIBIBYTE = 2 ** 30

/** Bytes of the seed that the kernel's own loader gives: RNG_SEED_LENGTH of arch/x86/kernel/kexec-bzimage64.c. */
const SEED = 32

/** Below this address old firmware has its own data. */
const LOWEST = MEBIBYTE

export const x86_64 = {
  name: 'x86_64',
  hasDeviceTree: false,
  loadsCrashKernels: true,
  verifies: true,
  isLoadable: ({ format, architecture, setupHeader }: KernelImage) =>
    architecture === 'x86_64' && (format === 'vmlinux' || (format === 'bzImage' && setupHeader !== null)),
  readMachine,
  layOut,
  build,
} satisfies SegmentArchitecture<X86Machine>

/** The parts besides the kernel. */
type X86Load = Pick<PlannedLoad, 'commandLine' | 'initrdLength' | 'verify'>

/** The relevant facts of the running machine. */
interface X86Machine {
  /** Where segments may lie. */
  readonly usable: readonly MemoryRange[]
  readonly facts: Omit<BootFacts, 'commandLine'>
  /** For a crash kernel; null for a regular one. */
  readonly crash: CrashState | null
  /** Memory that is free at the moment, for kernel and initrd; or null. */
  readonly free: MemoryRange | null
}

/**
 * Reads the facts of this machine that the new kernel needs.
 * @throws KexecError 'not-readable' where the kernel hides addresses from this process, 'not-found'; 'no-crash-memory'
 */
function readMachine(
  system: System,
  { panic = false, inFreeMemory = false }: Partial<MachineOptions> = {},
): X86Machine {
  const resources = readResources(system)
  const running = readBootParameters(system)
  const e820 = e820For(readFirmwareMap(system), bootedE820(running), resources)
  if (e820.length === 0) {
    throw new KexecError("the firmware's memory map, which the new kernel needs, cannot be read", {
      reason: 'not-readable',
      path: '/sys/firmware/memmap',
      hint: `Run it as root, with /sys mounted; or load a bzImage with ${optionName('engine', 'file')}.`,
      refused: true,
    })
  }
  const efi = readEfiState(system, running)
  const rsdp = running?.readBigUInt64LE(field.rsdp) || rsdpOfEfi(system)
  const facts = { e820, running, efi, rsdp, seed: randomBytes(SEED) }
  if (panic) {
    const crash = readCrashState(system, resources, e820)
    return { usable: wholePages([crash.region], PAGE), facts: { ...facts, e820: crash.e820 }, crash, free: null }
  }
  const { ram, occupied } = usableMemory(resources)
  const declared = merged(e820.filter(({ type }) => type === E820_RAM))
  const free = within(without(ram, occupied), declared)
  const above = without(free, [{ start: 0, end: LOWEST }])
  const usable = wholePages(above, PAGE)
  return { usable, facts, crash: null, free: inFreeMemory ? longestFreeRange(system, usable, PAGE) : null }
}

/** ACPI's root pointer, where the running kernel's loader did not pass it on. */
function rsdpOfEfi(system: System): bigint {
  const [, address] = /^ACPI(?:20)?=(0x[0-9a-f]{1,16})$/m.exec(system.readText('/sys/firmware/efi/systab') ?? '') ?? []
  return BigInt(address ?? 0)
}

/**
 * @returns null for a vmlinux that is not unpacked yet
 * @throws KexecError as `layOutKernel`; 'damaged-image', 'truncated-kernel'
 */
function layOut(machine: X86Machine, { image, source, ...load }: X86Load & Pick<PlannedLoad, 'image' | 'source'>) {
  if (image.setupHeader !== null) return layOutKernel(machine, bzImageKernel(image.setupHeader), load)
  return source && layOutKernel(machine, readVmlinux(source), load)
}

/**
 * Finds a place for everything. In memory that is free at load time, many of the pages that hold the bytes until the
 * reboot are already at their final address (kimage_alloc_page of kernel/kexec_core.c). The running kernel need not
 * copy these.
 * @returns the segments, by address; a kernel of several parts has several segments of that name
 * @throws KexecError 'no-memory-hole'
 */
export function layOutKernel(machine: X86Machine, kernel: X86Kernel, load: X86Load): PlannedSegment[] {
  return layOutPreferring(machine.free?.start ?? null, LOWEST, (lowest) => layOutAbove(machine, kernel, load, lowest))
}

/**
 * @param lowest the lower limit for kernel and initrd
 */
function layOutAbove(
  { usable, facts, crash }: X86Machine,
  kernel: X86Kernel,
  { commandLine, initrdLength, verify }: X86Load,
  lowest: number,
): PlannedSegment[] {
  const code = TRAMPOLINE_SIZE + (verify ? VERIFICATION_SIZE : 0)
  const parameters = bootParametersSize(crash === null ? { ...facts, commandLine } : largest(facts, commandLine))
  // The kernel first: it needs the largest piece. By the protocol, the page tables that it starts with may end at 4
  // GiB; those of kexec do not, and the memory reserved for a crash kernel may lie above.
  const low = { alignment: PAGE, lowest: LOWEST, limit: crash === null ? 4 * GIBIBYTE : Number.POSITIVE_INFINITY }
  const placed = place(
    [
      above(kernel.whole, lowest),
      { ...low, name: TRAMPOLINE, length: code, size: roundUp(code, PAGE) },
      { ...low, name: 'boot parameters', length: parameters, size: roundUp(parameters, PAGE) },
      ...(initrdLength > 0 ? [above(initrdPiece(kernel, initrdLength), lowest)] : []),
      ...(crash === null ? [] : [coreHeaderPiece(crash)]),
    ],
    usable,
  )
  return placed.flatMap((segment) => (segment.name === KERNEL ? partsAt(kernel, segment.address) : [segment]))
}

/** A piece that already has its place stays there. */
function above(piece: Piece, lowest: number): Piece {
  const isFixed = piece.lowest + piece.size === piece.limit
  return isFixed ? piece : { ...piece, lowest: Math.max(piece.lowest, lowest) }
}

/** Before the place of the ELF header is known, which the command line names and which divides the memory. */
function largest(facts: X86Machine['facts'], commandLine: string): BootFacts {
  const divided = { start: 0, end: PAGE, type: E820_RAM }
  const elfHeader = Number.MAX_SAFE_INTEGER
  return { ...facts, e820: [...facts.e820, divided], commandLine: withCoreHeader(commandLine, elfHeader) }
}

/** In the place of the kernel's own loader: Documentation/admin-guide/kernel-parameters.txt. */
function withCoreHeader(commandLine: string, address: number): string {
  return `elfcorehdr=${formatAddress(address)} ${commandLine}`
}

const KERNEL = 'kernel'
const CORE_HEADER = 'ELF core header'
const TRAMPOLINE = 'trampoline'

function partsAt({ parts }: X86Kernel, base: number): PlannedSegment[] {
  return parts.map(({ offset, length, size }) => ({ name: KERNEL, address: base + offset, size, length }))
}

function initrdPiece({ initrdLimit }: X86Kernel, length: number): Piece {
  const size = roundUp(length, PAGE)
  return { name: 'initrd', length, size, alignment: PAGE, lowest: LOWEST, limit: initrdLimit }
}

/** With the space that the running kernel needs to rewrite it. */
function coreHeaderPiece({ core, headerSpace }: CrashState): Piece {
  const length = coreHeaderSize(core)
  const size = roundUp(Math.max(length, headerSpace), PAGE)
  const limit = Number.POSITIVE_INFINITY
  return { name: CORE_HEADER, length, size, alignment: PAGE, lowest: LOWEST, limit }
}

/** A crash kernel's memory without its own parts: the ELF header is not available to it. */
function factsFor({ facts, crash }: X86Machine, layout: readonly PlannedSegment[], commandLine: string): BootFacts {
  const header = layout.find(({ name }) => name === CORE_HEADER)
  if (crash === null || header === undefined) return { ...facts, commandLine }
  const own = { start: header.address, end: header.address + header.size }
  const e820 = facts.e820.flatMap((entry) => without([entry], [own]).map((range) => ({ ...range, type: entry.type })))
  return { ...facts, e820, commandLine: withCoreHeader(commandLine, header.address) }
}

/**
 * The inputs of a load: a bzImage or a vmlinux, whole, and the kernel that the bzImage would unpack, which is changed.
 */
type X86Parts = Pick<ReadLoad, 'kernel' | 'initrd' | 'commandLine'> & Partial<Pick<ReadLoad, 'unpacked' | 'verify'>>

/**
 * Makes the arguments of kexec_load.
 * @throws KexecError as `layOutKernel`; 'damaged-image' and 'truncated-kernel' for headers with impossible numbers
 */
function build(machine: X86Machine, parts: X86Parts, options: VmlinuxOptions = {}): SegmentImage {
  const { initrd, commandLine, verify = false } = parts
  const { kernels, header } = readKernel(machine, parts, options)
  const initrdLength = initrd?.length ?? 0
  const { kernel, layout } = firstThatFits(machine, kernels, { commandLine, initrdLength, verify })
  const addressOf = (wanted: string) => layout.find(({ name }) => name === wanted)?.address ?? 0
  const parameters = addressOf('boot parameters')
  const entry = addressOf(KERNEL) - (kernel.parts[0]?.offset ?? 0) + kernel.entry
  const facts = factsFor(machine, layout, commandLine)
  const placed = initrd === null ? null : { address: addressOf('initrd'), length: initrd.length }
  const kernelBytes = kernel.bytes()
  const bytesOf = (name: string) => {
    // The kernel's parts come in the order of their addresses, both here and there.
    if (name === KERNEL) return kernelBytes.shift() as Buffer
    if (name === CORE_HEADER) return coreHeader((machine.crash as CrashState).core)
    return name === 'initrd' ? (initrd as Buffer) : bootParameters(facts, header, parameters, placed)
  }
  const others = layout
    .filter(({ name }) => name !== TRAMPOLINE)
    .map(({ name, address, size }) => ({ name, bytes: bytesOf(name), address, size }))
  const [own] = layout.filter(({ name }) => name === TRAMPOLINE) as [PlannedSegment]
  // The running kernel may rewrite the ELF header.
  const core = addressOf(CORE_HEADER)
  const hashed = others.filter(({ address }) => address !== core)
  const code = trampolineWith(verify ? hashed : null, own.address, parameters, entry)
  const segments = [...others, { name: own.name, bytes: code, address: own.address, size: own.size }]
  return {
    entry: own.address,
    flags: kexecArchitecture('x86_64') + flagsFor(machine.crash),
    segments: segments.sort((one, other) => one.address - other.address),
  }
}

/** Kernels since 6.6 that want space for it know the flag that allows them to rewrite the ELF header. */
function flagsFor(crash: CrashState | null): number {
  if (crash === null) return 0
  return KEXEC_ON_CRASH + (crash.headerSpace > 0 ? KEXEC_UPDATE_ELFCOREHDR : 0)
}

/** The trampoline, with the code behind it that hashes these segments before it jumps; null for none. */
function trampolineWith(verified: readonly NativeSegment[] | null, address: number, parameters: number, entry: number) {
  if (verified === null) return trampoline(address, parameters, entry, null)
  const code = address + TRAMPOLINE_SIZE
  const check = { code, table: code + TABLE }
  return Buffer.concat([trampoline(address, parameters, entry, check), verification(verified)])
}

type ReadKernel = X86Kernel & { bytes(): Buffer[] }

/**
 * @throws KexecError the fault of the last one, which is the easiest to place
 */
function firstThatFits(machine: X86Machine, kernels: readonly ReadKernel[], load: X86Load) {
  for (const [index, kernel] of kernels.entries()) {
    try {
      return { kernel, layout: layOutKernel(machine, kernel, load) }
    } catch (error) {
      if (index === kernels.length - 1 || !(error instanceof KexecError)) throw error
    }
  }
  throw new RangeError('no kernel is given')
}

/** A kernel with its bytes, the ways to place it, and its facts for boot loaders: the first kilobyte of a bzImage. */
function readKernel(
  { usable }: X86Machine,
  { kernel, unpacked, commandLine }: X86Parts,
  options: VmlinuxOptions,
): { kernels: readonly ReadKernel[]; header: Buffer } {
  if (isElf(kernel)) {
    return { kernels: [readVmlinux(memoryBytes(kernel), options)], header: vmlinuxHeader(options) }
  }
  if (unpacked) return unpackedKernel(kernel, unpacked, usable, commandLine)
  const header = readSetupHeader(kernel)
  const bytes = () => [kernel.subarray(header.setupSize, header.end)]
  return { kernels: [{ ...bzImageKernel(header), bytes }], header: kernel }
}
