import { randomBytes } from 'node:crypto'
import { KexecError } from '../../errors.ts'
import type { KernelImage, SetupHeader } from '../../image/index.ts'
import { readSetupHeader } from '../../image/setup-header.ts'
import type { System } from '../../system/system.ts'
import { readFirmwareMap, readResources, usableMemory } from './memory-map.ts'
import { type Piece, place } from './placement.ts'
import { type MemoryRange, merged, roundUp, wholePages, within, without } from './ranges.ts'
import type { PlannedSegment, SegmentImage } from './segment.ts'
import { type BootFacts, bootParameters, bootParametersSize } from './x86_64/boot-parameters.ts'
import { E820_RAM, e820For } from './x86_64/e820.ts'
import { readEfiState } from './x86_64/efi-state.ts'
import { bootedE820, field, readBootParameters } from './x86_64/running-boot.ts'
import { TRAMPOLINE_SIZE, trampoline } from './x86_64/trampoline.ts'

/** KEXEC_ARCH_X86_64 of include/uapi/linux/kexec.h. */
const ARCHITECTURE = 62 * 2 ** 16

const PAGE = 4096
const MEBIBYTE = 2 ** 20
const GIBIBYTE = 2 ** 30

/** The 64-bit entry point, bytes into the protected-mode kernel: boot.rst, "64-bit boot protocol". */
const ENTRY = 0x200

/** Bytes of the seed that the kernel's own loader gives: RNG_SEED_LENGTH of arch/x86/kernel/kexec-bzimage64.c. */
const SEED = 32

/** Below, the firmware of the old days has its own. */
const LOWEST = MEBIBYTE

/** What is to be laid out, by size. */
export interface X86Load {
  /** Of the bzImage. */
  readonly header: SetupHeader
  readonly commandLine: string
  /** 0 for none. */
  readonly initrdLength: number
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
 * @throws KexecError 'no-memory-hole'; 'damaged-image' for a header with impossible numbers
 */
export function layOutX86({ usable, facts }: X86Machine, load: X86Load): PlannedSegment[] {
  const { header, commandLine, initrdLength } = load
  const parameters = bootParametersSize({ ...facts, commandLine })
  // The kernel first: it needs the most in one piece. The page tables that it starts with may end at 4 GiB, by the protocol.
  return place(
    [
      kernelPiece(header),
      { ...anywhere, name: 'trampoline', length: TRAMPOLINE_SIZE, size: TRAMPOLINE_SIZE, limit: 4 * GIBIBYTE },
      {
        ...anywhere,
        name: 'boot parameters',
        length: parameters,
        size: roundUp(parameters, PAGE),
        limit: 4 * GIBIBYTE,
      },
      ...(initrdLength > 0 ? [initrdPiece(header, initrdLength)] : []),
    ],
    usable,
  )
}

const anywhere = { alignment: PAGE, lowest: LOWEST }

/** At the address it prefers or above: below, it would move itself there, over what lies in the way. */
function kernelPiece({ setupSize, end, initSize, kernelAlignment, preferredAddress, ...header }: SetupHeader): Piece {
  const [size, alignment, lowest] = [initSize ?? 0, kernelAlignment ?? 0, preferredAddress ?? 0]
  const length = end - setupSize
  const isAligned = Number.isInteger(Math.log2(alignment)) && alignment >= PAGE && alignment <= GIBIBYTE
  if (!isAligned || size < length || lowest > GIBIBYTE) {
    throw new KexecError("the kernel's header asks for a place in memory that cannot be", {
      reason: 'damaged-image',
      hint: 'Copy or install the kernel again.',
      evidence: [
        { source: 'init_size', value: String(initSize) },
        { source: 'kernel_alignment', value: String(kernelAlignment) },
        { source: 'pref_address', value: String(preferredAddress) },
      ],
      refused: true,
    })
  }
  const limit = header.extendedLoadFlags.includes('above-4g') ? Number.POSITIVE_INFINITY : 4 * GIBIBYTE
  return { name: 'kernel', length, size: roundUp(size, PAGE), alignment, lowest: Math.max(lowest, LOWEST), limit }
}

function initrdPiece({ extendedLoadFlags, initrdAddressMaximum }: SetupHeader, length: number): Piece {
  const highest = (initrdAddressMaximum ?? 0x37ffffff) + 1
  const limit = extendedLoadFlags.includes('above-4g') ? Number.POSITIVE_INFINITY : highest
  return { ...anywhere, name: 'initrd', length, size: roundUp(length, PAGE), limit }
}

/**
 * Makes what kexec_load takes.
 * @param kernel a bzImage, whole
 * @param initrd null for none
 * @throws KexecError as `layOutX86`
 */
export function buildX86(
  machine: X86Machine,
  kernel: Buffer,
  initrd: Buffer | null,
  commandLine: string,
): SegmentImage {
  const header = readSetupHeader(kernel)
  const layout = layOutX86(machine, { header, commandLine, initrdLength: initrd?.length ?? 0 })
  const addressOf = (wanted: string) => layout.find(({ name }) => name === wanted)?.address ?? 0
  const parameters = addressOf('boot parameters')
  const facts = { ...machine.facts, commandLine }
  const placed = initrd === null ? null : { address: addressOf('initrd'), length: initrd.length }
  const bytes: Record<string, Uint8Array> = {
    kernel: kernel.subarray(header.setupSize, header.end),
    trampoline: trampoline(addressOf('trampoline'), parameters, addressOf('kernel') + ENTRY),
    'boot parameters': bootParameters(facts, kernel, parameters, placed),
    initrd: initrd ?? Buffer.alloc(0),
  }
  return {
    entry: addressOf('trampoline'),
    flags: ARCHITECTURE,
    segments: layout.map(({ name, address, size }) => ({ bytes: bytes[name] as Uint8Array, address, size })),
  }
}

/** What tells that an image is one this file can lay out. */
export function isX86Loadable({ format, architecture, setupHeader }: KernelImage): boolean {
  return format === 'bzImage' && architecture === 'x86_64' && setupHeader !== null
}
