import { parametersNamed } from '../cmdline/look-up.ts'
import type { KernelParameter } from '../cmdline/parse.ts'
import { readMemoryInfo } from '../system/memory-info.ts'
import type { System } from '../system/system.ts'
import { formatBytes } from '../text.ts'

/** Why a crashkernel= of the running kernel's command line has reserved nothing. */
export interface NotReserved {
  /** The parameter that counts. */
  readonly parameter: KernelParameter
  /** A sentence; null where the command line and the size of memory do not show the cause. */
  readonly cause: string | null
}

/** The kernel keeps some memory for itself before it counts MemTotal: code, the list of pages, the firmware's part. */
const BEYOND_TOTAL = { share: 0.06, least: 192 * 1024 ** 2 }

/**
 * Works out how the kernel read crashkernel=, as parse_crashkernel of kernel/crash_reserve.c does; nothing when it is
 * not on the command line. Of several the last one counts.
 */
export function explainNotReserved(system: System): NotReserved | undefined {
  const all = parametersNamed(system.runningCommandLine(), 'crashkernel')
  const plain = all.filter(({ value }) => !/,(?:high|low|cma)$/.test(value ?? ''))
  const parameter = plain.at(-1) ?? all.at(-1)
  return parameter && { parameter, cause: causeOf(parameter, system) }
}

function causeOf({ value, raw }: KernelParameter, system: System): string | null {
  const text = value ?? ''
  const total = readMemoryInfo(system)('MemTotal') ?? null
  if (text === 'auto') return causeOfAuto(system.runningRelease())
  if (text.includes(':')) return causeOfRanges(text, raw, total)
  const size = /^([0-9a-fx]+[kmgtpe]?)(?:@[0-9a-fx]+[kmgtpe]?|,(?:high|low|cma))?$/i.exec(text)
  const bytes = size === null ? undefined : memparse(size[1] as string)
  if (bytes === undefined) return `The kernel does not understand ${raw}: it takes SIZE, or START-END:SIZE.`
  if (bytes === 0) return `${raw} requests no memory.`
  if (total !== null && bytes >= total) return `${raw} is more than this machine's memory, ${formatBytes(total)}.`
  return null
}

/** Only Red Hat's kernels of versions 6 to 8 have it. */
function causeOfAuto(release: string | undefined): string | null {
  if (release === undefined) return null
  if (/\.el[678]/.test(release))
    return 'On this kernel crashkernel=auto reserves nothing for a machine with little memory.'
  return `The kernel ${release} does not know crashkernel=auto, which only those of Red Hat 6 to 8 do.`
}

function causeOfRanges(text: string, raw: string, total: number | null): string | null {
  const ranges = text
    .replace(/@[^,]*$/, '')
    .split(',')
    .map((part) => /^([^-:]+)-([^-:]*):([^-:]+)$/.exec(part))
  const read = ranges.map((match) => {
    const [start, end, size] = [match?.[1], match?.[2], match?.[3]].map((each) =>
      each === undefined ? undefined : each === '' ? Number.POSITIVE_INFINITY : memparse(each),
    )
    return start === undefined || end === undefined || size === undefined || end <= start ? null : { start, end, size }
  })
  if (read.includes(null)) return `The kernel does not understand ${raw}: its ranges are START-END:SIZE.`
  if (total === null) return null
  const most = total + Math.max(total * BEYOND_TOTAL.share, BEYOND_TOTAL.least)
  const fits = read.some((range) => range !== null && range.start <= most && total < range.end)
  return fits ? null : `None of its ranges includes this machine's memory, ${formatBytes(total)}.`
}

const UNITS = 'kmgtpe'

/** As memparse of lib/cmdline.c; undefined for a text that is not a number. */
function memparse(text: string): number | undefined {
  const [, digits, unit] = /^(0x[0-9a-f]+|\d+)([kmgtpe]?)$/i.exec(text) ?? []
  if (digits === undefined) return undefined
  const number = /^0\d/.test(digits) ? Number.parseInt(digits, 8) : Number(digits)
  return number * 1024 ** (unit ? UNITS.indexOf(unit.toLowerCase()) + 1 : 0)
}
