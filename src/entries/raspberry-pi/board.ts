import type { System } from '../../system/system.ts'

/** The facts that distinguish boards; null: unknown. */
export interface Board {
  /** As /proc/device-tree/model has it. */
  readonly model: string | null
  /** The type in its revision code: 0x11 is a Pi 4B. */
  readonly type: number | null
  /** The low 32 bits of its serial number, which filters compare. */
  readonly serial: number | null
}

/** Whether a filter applies; undefined when unknown. */
export type Truth = boolean | undefined

/** The board that a system runs on. */
export function boardOf(system: System): Board {
  const model = system.readText('/proc/device-tree/model')?.replace(/\0.*$/s, '') ?? null
  const cpu = system.readText('/proc/cpuinfo') ?? ''
  const revision = revisionOf(system) ?? hexadecimal(/^Revision\s*:\s*([0-9a-f]{1,8})$/im.exec(cpu)?.[1])
  const serial =
    system.readText('/proc/device-tree/serial-number')?.replace(/\0.*$/s, '') ??
    /^Serial\s*:\s*([0-9a-f]{1,16})$/im.exec(cpu)?.[1]
  return {
    model,
    type: revision === undefined ? typeByModel(model) : typeByRevision(revision),
    serial: hexadecimal(serial?.slice(-8)) ?? null,
  }
}

function revisionOf(system: System): number | undefined {
  try {
    const bytes = system.readHead('/proc/device-tree/system/linux,revision', 4)
    return bytes.length === 4 ? bytes.readUInt32BE(0) : undefined
  } catch {
    return undefined
  }
}

function hexadecimal(digits: string | undefined): number | undefined {
  return digits !== undefined && /^[0-9a-f]+$/i.test(digits) ? Number.parseInt(digits, 16) : undefined
}

/** New-style codes have bit 23 set and the type in bits 4 to 11; the old ones are those of Pi 1 boards. */
function typeByRevision(revision: number): number | null {
  return (revision & 0x80_0000) === 0 ? null : (revision >>> 4) & 0xff
}

/**
 * Boards by filter, in the words of /proc/device-tree/model after 'Raspberry Pi '; the filters of some boards apply to
 * others.
 */
const boards: Readonly<Record<string, RegExp>> = {
  pi0: /^Zero/,
  pi0w: /^Zero (?:2 )?W/,
  pi02: /^(?:Zero 2|Compute Module 0)/,
  pi1: /^(?:Model|Compute Module (?:Rev|1))/,
  pi2: /^2 /,
  pi3: /^(?:3 |Compute Module 3)/,
  'pi3+': /^(?:3 Model [AB] Plus|Compute Module 3 Plus)/,
  pi4: /^(?:4 |400|Compute Module 4)/,
  pi400: /^400/,
  pi5: /^(?:5 |500|Compute Module 5)/,
  pi500: /^500/,
  cm0: /^Compute Module 0/,
  cm1: /^Compute Module (?:Rev|1)/,
  cm3: /^Compute Module 3 Rev/,
  'cm3+': /^Compute Module 3 Plus/,
  cm4: /^Compute Module 4 /,
  cm4s: /^Compute Module 4S/,
  cm5: /^Compute Module 5/,
}

/** Types of revision codes, where one model has one (the documentation's "Raspberry Pi revision codes"). */
const types: readonly (readonly [RegExp, number])[] = [
  [/^Model A Plus/, 0x02],
  [/^Model B Plus/, 0x03],
  [/^Model A /, 0x00],
  [/^Model B /, 0x01],
  [/^2 Model B/, 0x04],
  [/^Compute Module Rev/, 0x06],
  [/^3 Model B Plus/, 0x0d],
  [/^3 Model A Plus/, 0x0e],
  [/^3 Model B/, 0x08],
  [/^Zero 2 W/, 0x12],
  [/^Zero W/, 0x0c],
  [/^Zero/, 0x09],
  [/^Compute Module 3 Plus/, 0x10],
  [/^Compute Module 3 /, 0x0a],
  [/^4 Model B/, 0x11],
  [/^400/, 0x13],
  [/^Compute Module 4S/, 0x15],
  [/^Compute Module 4 /, 0x14],
  [/^5 Model B/, 0x17],
]

function typeByModel(model: string | null): number | null {
  const name = model?.replace(/^Raspberry Pi /, '')
  return name === undefined ? null : (types.find(([pattern]) => pattern.test(name))?.[1] ?? null)
}

/** Whether a board matches a model filter: 'pi4'. */
export function isModel(filter: string, { model }: Board): Truth {
  if (model === null || boards[filter] === undefined) return undefined
  return boards[filter].test(model.replace(/^Raspberry Pi /, ''))
}

/** Whether `[board-type=0x14]` is the board's. */
export function isType(value: string, { type }: Board): Truth {
  const wanted = numberOf(value)
  return type === null || wanted === undefined ? undefined : type === wanted
}

/** Whether `[0x12345678]` is the board's serial number. */
export function isSerial(value: string, { serial }: Board): Truth {
  const wanted = hexadecimal(value.replace(/^0x/i, ''))
  return serial === null || wanted === undefined ? undefined : serial === wanted
}

function numberOf(value: string): number | undefined {
  return /^0x[0-9a-f]{1,8}$|^\d{1,9}$/i.test(value) ? Number(value) : undefined
}
