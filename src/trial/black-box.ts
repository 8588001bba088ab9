import { lastParameter, parametersNamed } from '../cmdline/look-up.ts'
import type { CommandLine } from '../cmdline/parse.ts'
import { readFirmwareMap } from '../system/memory-map.ts'
import type { System } from '../system/system.ts'

/**
 * Memory that keeps the last messages of a kernel over a reset: ramoops (Documentation/admin-guide/ramoops.rst). The kernel that
 * dies writes there, and the one that the reset boots reads it, so both need the same place and layout. The place belongs to
 * the machine: a trial takes over that of the running kernel.
 */
export type BlackBox =
  | {
      readonly isKept: true
      /** What the new kernel needs on its command line. */
      readonly parameters: readonly string[]
      /** What its module needs where the kernel does not read them from the command line: 'mem_address=…'. */
      readonly moduleParameters: readonly string[]
      /** Where it lies, for people. */
      readonly place: string
    }
  | { readonly isKept: false; readonly reason: string }

const PARAMETERS = '/sys/module/ramoops/parameters'
const RESERVED = '/sys/firmware/devicetree/base/reserved-memory'

/** By what the memory is divided, with the defaults of fs/pstore/ram.c: both kernels must do it alike. */
const LAYOUT: ReadonlyMap<string, string> = new Map([
  ['mem_type', '0'],
  ['record_size', '4096'],
  ['console_size', '4096'],
  ['ftrace_size', '4096'],
  ['pmsg_size', '4096'],
  ['ecc', '0'],
])

/** KMSG_DUMP_EMERG: besides a panic and an oops, the reset by sysrq that ends a trial (include/linux/kmsg_dump.h). */
const MAX_REASON = 'max_reason=3'

/** The black box of the running kernel, as the new one can go on with it. */
export function findBlackBox(system: System): BlackBox {
  if (isInDeviceTree(system)) return kept([], [], 'the memory that the device tree reserves for ramoops')
  const line = system.runningCommandLine()
  const value = (name: string) =>
    system.readText(`${PARAMETERS}/${name}`)?.trim() ?? lastParameter(line, `ramoops.${name}`)?.value ?? undefined
  const [address, size] = [numberOf(value('mem_address')), numberOf(value('mem_size'))]
  if (address === undefined || size === undefined) return { isKept: false, reason: NONE }
  // '(null)' is how the kernel shows none.
  const isNamed = ![undefined, '', '(null)'].includes(value('mem_name'))
  const reserving = reservationOf(system, line, { address, size, isNamed })
  if (reserving === null) return { isKept: false, reason: MOVES }
  const place = { mem_address: `0x${address.toString(16)}`, mem_size: `0x${size.toString(16)}` }
  const layout = [...LAYOUT].flatMap(([name, preset]) => {
    const set = value(name)
    return set === undefined || set === preset ? [] : [`${name}=${set}`]
  })
  const own = [...Object.entries(place).map(([name, text]) => `${name}=${text}`), ...layout, MAX_REASON]
  const parameters = [...reserving, ...own.map((each) => asGiven(line, `ramoops.${each}`))]
  return kept(parameters, own, `${size / 1024n} KiB at ${place.mem_address} (ramoops)`)
}

const NONE = 'the running kernel has no memory for ramoops'
const MOVES = 'reserve_mem= may give the new kernel another place, and only x86 can name the same one (memmap=)'

function kept(parameters: readonly string[], moduleParameters: readonly string[], place: string): BlackBox {
  return { isKept: true, parameters, moduleParameters, place }
}

/** ramoops_of_match of fs/pstore/ram.c. A kexec hands on the device tree. */
function isInDeviceTree(system: System): boolean {
  return system
    .list(RESERVED)
    .some((node) => (system.readText(`${RESERVED}/${node}/compatible`) ?? '').split('\0').includes('ramoops'))
}

/** The words of the running command line where they say the same, so that they are recognised there. */
function asGiven(line: string | undefined, parameter: string): string {
  const [name = '', value = ''] = parameter.split('=')
  const given = lastParameter(line, name)
  const isSame = given?.value === value || (numberOf(given?.value) ?? -1n) === numberOf(value)
  return given !== undefined && isSame ? given.raw : parameter
}

interface Place {
  readonly address: bigint
  readonly size: bigint
  /** Whether it was found by `reserve_mem=`, which looks for a place at each boot. */
  readonly isNamed: boolean
}

/**
 * What keeps the new kernel from using the memory itself: `memmap=SIZE$ADDRESS` of the running command line, none where the
 * firmware reserves it. Where something else did (`reserve_mem=`, `mem=`), the same place can be named on x86.
 * @returns null where the new kernel cannot be kept from it
 */
function reservationOf(system: System, line: string | undefined, place: Place): readonly string[] | null {
  const { address, size, isNamed } = place
  const covering = parametersNamed(line, 'memmap').filter(({ value }) => covers(value ?? '', address, size))
  if (covering.length > 0) return covering.slice(0, 1).map(({ raw }) => raw)
  if (!isNamed && !isFirmwareRam(system, place)) return []
  const isX86 = /^(?:x86_64|i[3-6]86)$/.test(system.readText('/proc/sys/kernel/arch')?.trim() ?? '')
  return isX86 ? [`memmap=0x${size.toString(16)}$0x${address.toString(16)}`] : null
}

/** Whether the firmware gives any of it to the kernel. */
function isFirmwareRam(system: System, { address, size }: Place): boolean {
  return readFirmwareMap(system).some(
    ({ type, start, end }) => type === 'System RAM' && start < address + size && end > address,
  )
}

/** Whether one of the ranges of `memmap=` reserves this memory: parse_memmap_one() of arch/x86/kernel/e820.c. */
function covers(value: string, address: bigint, size: bigint): boolean {
  return value.split(',').some((range) => {
    const [length, start] = range.split('$').map(numberOf)
    return length !== undefined && start !== undefined && start <= address && start + length >= address + size
  })
}

const SUFFIXES = { k: 10n, m: 20n, g: 30n } as const

/** As memparse() of lib/cmdline.c reads it; undefined for anything else, and for zero. */
function numberOf(text: string | null | undefined): bigint | undefined {
  const [, digits, suffix] = /^(0x[\da-f]{1,16}|\d{1,20})([kmg]?)$/i.exec(text ?? '') ?? []
  if (digits === undefined) return undefined
  const shift = SUFFIXES[(suffix ?? '').toLowerCase() as keyof typeof SUFFIXES] ?? 0n
  const number = BigInt(digits) << shift
  return number === 0n ? undefined : number
}

/** Whether a finished command line has it all: `remove`, `append` or the boot entry may say otherwise. */
export function isOnLine(box: BlackBox & { readonly isKept: true }, line: CommandLine): boolean {
  // What it writes down besides a panic is another choice.
  const wanted = box.parameters.filter((raw) => !raw.includes('max_reason='))
  return wanted.every((parameter) => line.parameters.some(({ raw }) => raw === parameter))
}
