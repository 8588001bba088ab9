import { randomBytes } from 'node:crypto'
import { KexecError } from '../../errors.ts'
import { type ByteSource, memoryBytes } from '../../image/bytes.ts'
import { type KernelImage, magicAt } from '../../image/image.ts'
import { readSetupHeader } from '../../image/setup-header.ts'
import type { NativeSegment } from '../../native.ts'
import type { System } from '../../system/system.ts'
import { readFirmwareMap, readResources, usableMemory } from './memory-map.ts'
import { type Piece, place } from './placement.ts'
import { type MemoryRange, merged, roundUp, wholePages, within, without } from './ranges.ts'
import type { PlannedSegment, SegmentImage } from './segment.ts'
import { type BootFacts, bootParameters, bootParametersSize } from './x86_64/boot-parameters.ts'
import { bzImageKernel } from './x86_64/bzimage.ts'
import { E820_RAM, e820For } from './x86_64/e820.ts'
import { readEfiState } from './x86_64/efi-state.ts'
import type { X86Kernel } from './x86_64/kernel.ts'
import { bootedE820, field, readBootParameters } from './x86_64/running-boot.ts'
import { TRAMPOLINE_SIZE, trampoline } from './x86_64/trampoline.ts'
import { unpackedKernel } from './x86_64/unpacked-kernel.ts'
import { TABLE, VERIFICATION_SIZE, verification } from './x86_64/verification.ts'
import { readVmlinux, type VmlinuxOptions, vmlinuxHeader } from './x86_64/vmlinux.ts'

/** KEXEC_ARCH_X86_64 of include/uapi/linux/kexec.h. */
const ARCHITECTURE = 62 * 2 ** 16

const PAGE = 4096
const MEBIBYTE = 2 ** 20
const GIBIBYTE = 2 ** 30

/** Bytes of the seed that the kernel's own loader gives: RNG_SEED_LENGTH of arch/x86/kernel/kexec-bzimage64.c. */
const SEED = 32

/** Below, the firmware of the old days has its own. */
const LOWEST = MEBIBYTE

/** What is to be laid out, by size. */
export interface X86Load {
  readonly kernel: X86Kernel
  readonly commandLine: string
  /** 0 for none. */
  readonly initrdLength: number
  /** Whether the trampoline hashes all of it before it jumps. */
  readonly verify: boolean
}

/** How it is built. */
export interface X86Options extends VmlinuxOptions {
  /** As `X86Load` has it; default false. */
  readonly verify?: boolean
}

/** What of the running machine counts. */
export interface X86Machine {
  /** Where segments may lie. */
  readonly usable: readonly MemoryRange[]
  readonly facts: Omit<BootFacts, 'commandLine'>
}

/**
 * Reads what the new kernel has to be told of this machine.
 * @throws KexecError 'not-readable' where the kernel hides addresses from this process, 'not-found'
 */
export function readX86Machine(system: System): X86Machine {
  const resources = readResources(system)
  const running = readBootParameters(system)
  const e820 = e820For(readFirmwareMap(system), bootedE820(running), resources)
  if (e820.length === 0) {
    throw new KexecError("the firmware's memory map, which the new kernel needs, cannot be read", {
      reason: 'not-readable',
      path: '/sys/firmware/memmap',
      hint: 'Run it as root, with /sys mounted; or load a bzImage with `--engine file`.',
      refused: true,
    })
  }
  const { ram, occupied } = usableMemory(resources)
  const told = merged(e820.filter(({ type }) => type === E820_RAM))
  const free = within(without(ram, occupied), told)
  const above = without(free, [{ start: 0, end: LOWEST }])
  const efi = readEfiState(system, running)
  const rsdp = running?.readBigUInt64LE(field.rsdp) || rsdpOfEfi(system)
  return { usable: wholePages(above, PAGE), facts: { e820, running, efi, rsdp, seed: randomBytes(SEED) } }
}

/** ACPI's root pointer, where the running kernel was started by a loader that did not tell. */
function rsdpOfEfi(system: System): bigint {
  const [, address] = /^ACPI(?:20)?=(0x[0-9a-f]{1,16})$/m.exec(system.readText('/sys/firmware/efi/systab') ?? '') ?? []
  return BigInt(address ?? 0)
}

/**
 * Finds a place for everything.
 * @returns what is copied, by address; a kernel of several parts has as many segments of that name
 * @throws KexecError 'no-memory-hole'
 */
export function layOutX86({ usable, facts }: X86Machine, load: X86Load): PlannedSegment[] {
  const { kernel, commandLine, initrdLength, verify } = load
  const code = TRAMPOLINE_SIZE + (verify ? VERIFICATION_SIZE : 0)
  const parameters = bootParametersSize({ ...facts, commandLine })
  // The kernel first: it needs the most in one piece. The page tables that it starts with may end at 4 GiB, by the protocol.
  const low = { alignment: PAGE, lowest: LOWEST, limit: 4 * GIBIBYTE }
  const placed = place(
    [
      kernel.whole,
      { ...low, name: TRAMPOLINE, length: code, size: roundUp(code, PAGE) },
      { ...low, name: 'boot parameters', length: parameters, size: roundUp(parameters, PAGE) },
      ...(initrdLength > 0 ? [initrdPiece(kernel, initrdLength)] : []),
    ],
    usable,
  )
  return placed.flatMap((segment) => (segment.name === KERNEL ? partsAt(kernel, segment.address) : [segment]))
}

const KERNEL = 'kernel'
const TRAMPOLINE = 'trampoline'

function partsAt({ parts }: X86Kernel, base: number): PlannedSegment[] {
  return parts.map(({ offset, length, size }) => ({ name: KERNEL, address: base + offset, size, length }))
}

function initrdPiece({ initrdLimit }: X86Kernel, length: number): Piece {
  const size = roundUp(length, PAGE)
  return { name: 'initrd', length, size, alignment: PAGE, lowest: LOWEST, limit: initrdLimit }
}

/** What a load is made of, read. */
export interface X86Parts {
  /** A bzImage or a vmlinux, whole. */
  readonly kernel: Buffer
  /** What the bzImage would unpack, to be started in its place; is changed. */
  readonly unpacked?: Buffer | null
  /** null for none. */
  readonly initrd: Buffer | null
  readonly commandLine: string
}

/**
 * Makes what kexec_load takes.
 * @throws KexecError as `layOutX86`; 'damaged-image' and 'truncated-kernel' for headers with impossible numbers
 */
export function buildX86(machine: X86Machine, parts: X86Parts, options: X86Options = {}): SegmentImage {
  const { initrd, commandLine } = parts
  const { verify = false } = options
  const { kernels, header } = readKernel(machine, parts, options)
  const initrdLength = initrd?.length ?? 0
  const { kernel, layout } = firstThatFits(machine, kernels, { commandLine, initrdLength, verify })
  const addressOf = (wanted: string) => layout.find(({ name }) => name === wanted)?.address ?? 0
  const parameters = addressOf('boot parameters')
  const entry = addressOf(KERNEL) - (kernel.parts[0]?.offset ?? 0) + kernel.entry
  const facts = { ...machine.facts, commandLine }
  const placed = initrd === null ? null : { address: addressOf('initrd'), length: initrd.length }
  const kernelBytes = kernel.bytes()
  const bytesOf = (name: string) => {
    // The kernel's parts come in the order of their addresses, both here and there.
    if (name === KERNEL) return kernelBytes.shift() as Buffer
    return name === 'initrd' ? (initrd as Buffer) : bootParameters(facts, header, parameters, placed)
  }
  const others = layout
    .filter(({ name }) => name !== TRAMPOLINE)
    .map(({ name, address, size }) => ({ bytes: bytesOf(name), address, size }))
  const [own] = layout.filter(({ name }) => name === TRAMPOLINE) as [PlannedSegment]
  const code = trampolineWith(verify ? others : null, own.address, parameters, entry)
  const segments = [...others, { bytes: code, address: own.address, size: own.size }]
  return {
    entry: own.address,
    flags: ARCHITECTURE,
    segments: segments.sort((one, other) => one.address - other.address),
  }
}

/** The trampoline, and behind it what hashes these segments before it jumps; null for nothing. */
function trampolineWith(verified: readonly NativeSegment[] | null, address: number, parameters: number, entry: number) {
  if (verified === null) return trampoline(address, parameters, entry, null)
  const code = address + TRAMPOLINE_SIZE
  const check = { code, table: code + TABLE }
  return Buffer.concat([trampoline(address, parameters, entry, check), verification(verified)])
}

type ReadKernel = X86Kernel & { bytes(): Buffer[] }

/** @throws KexecError what is wrong with the last one: it is the easiest to find a place for */
function firstThatFits(machine: X86Machine, kernels: readonly ReadKernel[], load: Omit<X86Load, 'kernel'>) {
  for (const [index, kernel] of kernels.entries()) {
    try {
      return { kernel, layout: layOutX86(machine, { ...load, kernel }) }
    } catch (error) {
      if (index === kernels.length - 1) throw error
    }
  }
  throw new RangeError('no kernel is given')
}

/** A kernel with its bytes, the ways to place it, and what it says to boot loaders: the first kilobyte of a bzImage. */
function readKernel(
  { usable }: X86Machine,
  { kernel, unpacked, commandLine }: X86Parts,
  options: VmlinuxOptions,
): { kernels: readonly ReadKernel[]; header: Buffer } {
  if (magicAt(kernel, 0, '\x7fELF')) {
    return { kernels: [readVmlinux(memoryBytes(kernel), options)], header: vmlinuxHeader(options) }
  }
  if (unpacked) return unpackedKernel(kernel, unpacked, usable, commandLine)
  const header = readSetupHeader(kernel)
  const bytes = () => [kernel.subarray(header.setupSize, header.end)]
  return { kernels: [{ ...bzImageKernel(header), bytes }], header: kernel }
}

/**
 * What is laid out of a kernel that has not been unpacked yet.
 * @param source a vmlinux, whole; of a bzImage nothing is read
 * @throws KexecError 'damaged-image', 'truncated-kernel'
 */
export function x86KernelOf({ setupHeader }: KernelImage, source: ByteSource): X86Kernel {
  return setupHeader === null ? readVmlinux(source) : bzImageKernel(setupHeader)
}

/** What tells that an image is one this file can lay out. */
export function isX86Loadable({ format, architecture, setupHeader }: KernelImage): boolean {
  return architecture === 'x86_64' && (format === 'vmlinux' || (format === 'bzImage' && setupHeader !== null))
}
