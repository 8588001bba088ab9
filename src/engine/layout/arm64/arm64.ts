import { randomBytes } from 'node:crypto'
import type { DeviceTree } from '../../../device-tree/tree.ts'
import { KexecError } from '../../../errors.ts'
import type { KernelImage } from '../../../image/model/image.ts'
import { optionName } from '../../../option-name.ts'
import { architectures } from '../../../system/architecture.ts'
import { KEXEC_ON_CRASH, kexecArchitecture } from '../../../system/kexec-abi.ts'
import { readResources, usableMemory } from '../../../system/memory-map.ts'
import { type MemoryRange, roundUp, wholePages, within, without } from '../../../system/memory-ranges.ts'
import type { System } from '../../../system/system.ts'
import { coreHeader, coreHeaderSize } from '../crash-dump/elf-core.ts'
import { machineTree } from '../device-tree/given-tree.ts'
import { type HandedOver, KASLR_SEED, RNG_SEED } from '../device-tree/handed-over.ts'
import { handedOverTree } from '../device-tree/machine.ts'
import { hasEfiMap, memoryRanges, reservedRanges } from '../device-tree/memory.ts'
import type { PlannedLoad, ReadLoad, SegmentArchitecture } from '../segments/architecture.ts'
import { longestFreeRange } from '../segments/free-memory.ts'
import { impossiblePlace, layOutPreferring, type Piece, place } from '../segments/placement.ts'
import type { MachineOptions, PlannedSegment, SegmentImage } from '../segments/segment.ts'
import { type CrashState, readCrashState } from './crash.ts'
import { interruptTables } from './interrupt-tables.ts'
import { pageSize } from './page-size.ts'
import { trampoline } from './trampoline.ts'

/** Of the largest page: a running kernel of any page size takes such segments. */
const PAGE: number = architectures.aarch64.largestPage
const MEBIBYTE = 2 ** 20
const GIBIBYTE = 2 ** 30

/** Documentation/arch/arm64/booting.rst: "The Image must be placed text_offset bytes from a 2MB aligned base address". */
const KERNEL_ALIGNMENT = 2 * MEBIBYTE

/** booting.rst: the device tree "must not exceed 2 megabytes", and the kernel maps the blocks of 2 MiB that it lies in. */
const TREE_LIMIT = 2 * MEBIBYTE

/** booting.rst: kernel and initrd lie in one window of this size, which begins at a multiple of 1 GiB. */
const WINDOW = 32 * GIBIBYTE

/** Places that are tried for the kernel, so that the initrd fits into its window. */
const MAX_TRIES = 64

export const arm64 = {
  name: 'aarch64',
  hasDeviceTree: true,
  loadsCrashKernels: true,
  verifies: false,
  isLoadable: ({ format, bootable, imageHeader }: KernelImage) =>
    format === 'arm64 Image' && bootable && imageHeader !== null,
  readMachine,
  layOut,
  build,
} satisfies SegmentArchitecture<Arm64Machine>

type Arm64Load = Pick<PlannedLoad, 'image' | 'commandLine' | 'kernelLength' | 'initrdLength'>

/** The relevant facts of the running machine. */
interface Arm64Machine {
  /** Where segments may lie. */
  readonly usable: readonly MemoryRange[]
  /** The parts of a range to leave alone although the range counts as usable; asked only for places of segments. */
  readonly heldIn: ((range: MemoryRange) => MemoryRange[]) | undefined
  readonly tree: DeviceTree
  /** For a crash kernel; null for a regular one. */
  readonly crash: CrashState | null
  /** Memory that is free at the moment, for kernel and initrd; or null. */
  readonly free: MemoryRange | null
  readonly seeds: Pick<HandedOver, 'kaslrSeed' | 'rngSeed'>
}

/**
 * Reads the facts of this machine that the new kernel needs.
 * @throws KexecError 'not-readable' where the kernel hides addresses or the tree from this process, 'not-found'; 'no-crash-memory'
 */
function readMachine(
  system: System,
  { panic = false, deviceTree: given = null, inFreeMemory = false }: Partial<MachineOptions> = {},
): Arm64Machine {
  const resources = readResources(system)
  const { ram, occupied } = usableMemory(resources)
  const { tree, running } = machineTree(system, given)
  const declared = hasEfiMap(tree) ? [] : memoryRanges(tree)
  const free = without(ram, [...occupied, ...reservedRanges(tree)])
  const seeds = { kaslrSeed: randomBytes(KASLR_SEED), rngSeed: randomBytes(RNG_SEED) }
  if (panic) {
    const crash = readCrashState(system, resources)
    return { usable: wholePages([crash.region], PAGE), heldIn: undefined, tree, crash, free: null, seeds }
  }
  const usable = wholePages(declared.length === 0 ? free : within(free, declared), PAGE)
  const page = inFreeMemory ? pageSize(system) : undefined
  const longest = page === undefined ? null : longestFreeRange(system, usable, page)
  return { usable, heldIn: interruptTables(system, running ?? tree), tree, crash: null, free: longest, seeds }
}

/**
 * Finds a place for everything: in free memory where requested, for the reason that `layOutKernel` of x86_64 gives, and
 * where the kernel can use the memory below itself.
 * @throws KexecError 'no-memory-hole'; 'damaged-image' for a header with impossible numbers, or a device tree that is too large
 */
function layOut(machine: Arm64Machine, load: Arm64Load): PlannedSegment[] {
  const { free, usable } = machine
  const kernel = kernelPiece(load)
  const others = otherPieces(machine, load)
  const preferred = free !== null && kernel.isMovable ? within(usable, [free]) : null
  return layOutPreferring(preferred, usable, (memory) => layOutApart(machine, memory, kernel, others))
}

/** In memory that holds nothing. */
function layOutApart(
  machine: Arm64Machine,
  memory: readonly MemoryRange[],
  kernel: KernelPiece,
  others: readonly Piece[],
): PlannedSegment[] {
  let usable = memory
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const layout = layOutIn(usable, kernel, others)
    const held = layout.flatMap(({ address, size }) => machine.heldIn?.({ start: address, end: address + size }) ?? [])
    if (held.length === 0) return layout
    usable = without(usable, held)
  }
  throw noMemory()
}

/** The most attempts at another place, each with the held ranges of the one before. */
const MAX_ROUNDS = 1000

/** Without the kernel, whose place decides the initrd's. */
function otherPieces(machine: Arm64Machine, { commandLine, initrdLength }: Arm64Load): Piece[] {
  const anywhere = { lowest: 0, limit: Number.POSITIVE_INFINITY }
  const piece = (name: string, length: number, alignment = PAGE): Piece => ({
    ...anywhere,
    name,
    length,
    size: roundUp(length, PAGE),
    alignment,
  })
  return [
    piece('device tree', treeFor(machine, { commandLine, initrdLength }, []).length, TREE_LIMIT),
    piece('trampoline', TRAMPOLINE_LENGTH),
    ...(machine.crash === null ? [] : [piece(CORE_HEADER, coreHeaderSize(machine.crash.core))]),
    ...(initrdLength > 0 ? [piece('initrd', initrdLength)] : []),
  ]
}

/** Named as in x86_64. */
const CORE_HEADER = 'ELF core header'

/** Where the lowest place for the kernel leaves none for the initrd, one in a later range may. */
function layOutIn(usable: readonly MemoryRange[], kernel: KernelPiece, others: readonly Piece[]): PlannedSegment[] {
  let failure: unknown = noMemory()
  for (const [index, start] of (kernel.isMovable ? startsIn(usable) : [0]).entries()) {
    try {
      return layOutFrom(usable, { ...kernel.piece, lowest: start }, others)
    } catch (error) {
      // The first error counts: that attempt had all of the memory to choose from.
      if (index === 0) failure = error
    }
  }
  throw failure
}

/** One for each GiB that a range begins in: within one, the window is the same. */
function startsIn(usable: readonly MemoryRange[]): number[] {
  const starts = new Map<number, number>()
  for (const { start } of usable) {
    const gibibyte = Math.floor(start / GIBIBYTE)
    if (!starts.has(gibibyte)) starts.set(gibibyte, start)
  }
  return [...starts.values()].slice(0, MAX_TRIES)
}

function layOutFrom(usable: readonly MemoryRange[], kernel: Piece, others: readonly Piece[]): PlannedSegment[] {
  const placed = place([kernel], usable)
  const [{ address, size }] = placed as [PlannedSegment]
  const lowest = Math.floor(address / GIBIBYTE) * GIBIBYTE
  const window = { lowest, limit: lowest + WINDOW }
  const pieces = others.map((piece) => (piece.name === 'initrd' ? { ...piece, ...window } : piece))
  const rest = place(pieces, without(usable, [{ start: address, end: address + size }]))
  return [...placed, ...rest].sort((a, b) => a.address - b.address)
}

const TRAMPOLINE_LENGTH = trampoline(0, 0).length

interface KernelPiece {
  readonly piece: Piece
  readonly isMovable: boolean
}

/** A kernel that cannot use the memory below itself must lie as low as possible. */
function kernelPiece({ image, kernelLength }: Arm64Load): KernelPiece {
  const { memoryNeeded, imageHeader } = image
  const offset = imageHeader?.textOffset ?? null
  if (memoryNeeded === null || offset === null || offset % PAGE !== 0) {
    throw impossiblePlace({ image_size: memoryNeeded, text_offset: offset })
  }
  const length = Math.min(kernelLength, memoryNeeded)
  const size = roundUp(memoryNeeded, PAGE)
  const piece = { name: 'kernel', length, size, alignment: KERNEL_ALIGNMENT, offset, lowest: 0, limit: WINDOW_END }
  return { piece, isMovable: imageHeader?.runsAnywhere ?? false }
}

/** booting.rst: Images run within the 48 bits of a physical address. */
const WINDOW_END = 2 ** 48

/**
 * @param layout the places; empty while they are unknown, for the length of the tree, which does not depend on them
 * @throws KexecError 'damaged-image' when it is too large
 */
function treeFor(
  { tree, seeds, crash }: Arm64Machine,
  { commandLine, initrdLength }: { commandLine: string; initrdLength: number },
  layout: readonly PlannedSegment[],
): Buffer {
  const addressOf = (wanted: string) => layout.find(({ name }) => name === wanted)?.address ?? 0
  const contents = {
    ...seeds,
    commandLine,
    initrd: initrdLength === 0 ? null : { address: addressOf('initrd'), length: initrdLength },
    crash: crash && { usable: crash.usable, header: rangeOf(addressOf(CORE_HEADER), coreHeaderSize(crash.core)) },
  }
  return handedOverTree(tree, contents, TREE_LIMIT)
}

function rangeOf(start: number, length: number): MemoryRange {
  return { start, end: start + length }
}

function noMemory(): KexecError {
  const hint = `Load it with ${optionName('engine', 'file')}, where the running kernel has kexec_file_load.`
  return new KexecError('no memory is free for the new kernel', { reason: 'no-memory-hole', hint, refused: true })
}

/**
 * Makes the arguments of kexec_load.
 * @throws KexecError as `layOut`
 */
function build(
  machine: Arm64Machine,
  { image, kernel, initrd, commandLine }: Pick<ReadLoad, 'image' | 'kernel' | 'initrd' | 'commandLine'>,
): SegmentImage {
  const initrdLength = initrd?.length ?? 0
  const layout = layOut(machine, { image, commandLine, kernelLength: kernel.length, initrdLength })
  const addressOf = (wanted: string) => layout.find(({ name }) => name === wanted)?.address ?? 0
  const { crash } = machine
  const bytes: Record<string, Uint8Array> = {
    kernel,
    initrd: initrd ?? Buffer.alloc(0),
    'device tree': treeFor(machine, { commandLine, initrdLength }, layout),
    [CORE_HEADER]: crash === null ? Buffer.alloc(0) : coreHeader(crash.core),
    trampoline: trampoline(addressOf('device tree'), addressOf('kernel')),
  }
  return {
    entry: addressOf('trampoline'),
    flags: kexecArchitecture('aarch64') + (crash === null ? 0 : KEXEC_ON_CRASH),
    segments: layout.map(({ name, address, size, length }) => ({
      name,
      bytes: (bytes[name] as Uint8Array).subarray(0, length),
      address,
      size,
    })),
  }
}
