import { nearest } from '../../text.ts'
import { type GivenOption, readWords } from './getopt.ts'
import { type KexecOption, kexecOptions } from './options.ts'

/** The request in a call of kexec(8). */
export type Request =
  | { readonly kind: 'help' | 'version' | 'crash-size' }
  | { readonly kind: 'wrong'; readonly status: 1 | 255; readonly problem: string; readonly hint: string | null }
  | { readonly kind: 'status'; readonly panic: boolean }
  | WorkRequest

/** The steps, in this order. */
export interface WorkRequest {
  readonly kind: 'work'
  readonly unload: boolean
  readonly load: LoadRequest | null
  /** The next step: nothing, the kexec immediately, or a reboot through the init system. */
  readonly finish: 'nothing' | 'exec' | 'reboot'
  /** Whether cached data is written to disk before the kexec. */
  readonly sync: boolean
  /** Whether it concerns the crash kernel. */
  readonly panic: boolean
  readonly debug: boolean
  /** Whether the kernel must be one that keeps a crash kernel up to date. */
  readonly hotplug: boolean
  /** Options and operands that have no effect here, each with the reason. */
  readonly ignored: readonly string[]
}

/** The files to load. */
export interface LoadRequest {
  readonly kernel: string
  readonly initrd: string | null
  readonly reuseCommandLine: boolean
  /** The text of --append or --command-line, the last one given; null when neither is. */
  readonly append: string | null
  readonly type: string | null
  /** -s: kexec-tools does not fall back to kexec_load then, and has a separate exit status. */
  readonly fileOnly: boolean
  /** By the last of -a, -s and -c. */
  readonly engine: 'auto' | 'file' | 'segments'
}

interface Steps {
  load: boolean
  unload: boolean
  exec: boolean
  reboot: boolean
  sync: boolean
  panic: boolean
}

/** Without an option: load, then `shutdown -r now`. */
const standard: Steps = { load: true, unload: false, exec: false, reboot: true, sync: true, panic: false }

/** The decision of each of these options; of several the last one counts, as in kexec-tools' main(). */
const decisive: Readonly<Record<string, Partial<Steps>>> = {
  load: { load: true, exec: false, reboot: false },
  'load-panic': { load: true, exec: false, reboot: false, sync: false, panic: true },
  force: { load: true, exec: true, reboot: false, sync: true },
  exec: { load: false, exec: true, reboot: false, sync: true },
  unload: { load: false, unload: true, reboot: false, sync: false },
  'load-preserve-context': { load: true, exec: false, reboot: false, sync: true },
}

/** Options that end the reading at their place. */
const immediate = { help: 'help', version: 'version', 'print-ckr-size': 'crash-size' } as const

/** The inputs of a call besides its words. */
export interface Circumstances {
  /** POSIXLY_CORRECT is in the environment. */
  readonly posixly: boolean
  /** Memory is reserved for a crash kernel. */
  readonly hasCrashMemory: boolean
}

/** Reads the words after `kexec` as kexec-tools 2.0.32 does. */
export function readRequest(words: readonly string[], { posixly, hasCrashMemory }: Circumstances): Request {
  const { options, operands, problem } = readWords(words, kexecOptions, posixly)
  const steps = { ...standard }
  for (const given of options) {
    if (Object.hasOwn(immediate, given.meaning)) return { kind: immediate[given.meaning as keyof typeof immediate] }
    const bad = badAddress(given)
    if (bad !== null) return wrong(1, bad, 'Give a number, such as 0x100000.')
    Object.assign(steps, decisive[given.meaning])
  }
  if (problem !== null) return wrong(1, `${problem}${meant(problem)}`, 'Try: kexec --help')
  const has = (meaning: string) => options.some((given) => given.meaning === meaning)
  const status = has('status')
  if (status) Object.assign(steps, { load: false, unload: false, exec: false, reboot: false })
  if (steps.load && steps.panic && !hasCrashMemory) {
    const hint = 'Boot with crashkernel= on the command line, such as crashkernel=256M.'
    return wrong(1, 'no memory is reserved for a crash kernel', hint)
  }
  const obstacle = firstObstacle(options, steps)
  if (obstacle !== null) return obstacle
  if (status) return { kind: 'status', panic: has('load-panic') || !has('load') }
  return workOf(options, operands, steps)
}

function workOf(options: readonly GivenOption[], operands: readonly string[], steps: Steps): Request {
  const has = (meaning: string) => options.some((given) => given.meaning === meaning)
  const last = (meaning: string) => options.findLast((given) => given.meaning === meaning)?.value ?? null
  const [kernel] = operands
  // `-u -p` means `-p -u`: kexec-tools unloads, and then misses a kernel to load.
  const isLoad = steps.load && !(steps.unload && kernel === undefined)
  if (isLoad && kernel === undefined) return wrong(255, 'no kernel was named', 'Try: kexec -l KERNEL, or kexec --help')
  const load: LoadRequest = {
    kernel: kernel ?? '',
    initrd: last('initrd'),
    reuseCommandLine: has('reuse-cmdline'),
    append: last('append'),
    type: last('type'),
    fileOnly: engineOf(options) === 'file',
    engine: engineOf(options),
  }
  return {
    kind: 'work',
    unload: steps.unload,
    load: isLoad ? load : null,
    finish: steps.exec ? 'exec' : steps.reboot ? 'reboot' : 'nothing',
    sync: steps.sync && !has('no-sync'),
    panic: steps.panic,
    debug: has('debug'),
    hotplug: has('hotplug'),
    ignored: [...(isLoad ? ignoredOptions(options) : []), ...ignoredOperands(operands.slice(isLoad ? 1 : 0), isLoad)],
  }
}

/** Why a call cannot be carried out as requested; null when it can. */
function firstObstacle(options: readonly GivenOption[], { load }: Steps): Request | null {
  for (const given of options) {
    const known = specificationOf(given)
    if (!load && known.describesLoad)
      return wrong(1, `${given.name} says what to load, but no load was asked for`, null)
  }
  for (const given of options) {
    const bad = badSerial(given)
    if (bad !== null) return wrong(255, bad, null)
  }
  for (const given of options) {
    const known = specificationOf(given)
    if (known.treatment !== 'refused') continue
    // Options about the load are checked at the same point as in kexec-tools, all others before.
    const status = known.describesLoad === true ? 255 : 1
    return wrong(status, `${given.name} ${known.help}`, remedies[known.name] ?? null)
  }
  return null
}

/** The last of -a, -s and -c counts. */
function engineOf(options: readonly GivenOption[]): LoadRequest['engine'] {
  const last = options.findLast(({ meaning }) => Object.hasOwn(engines, meaning))?.meaning
  return last === undefined ? 'auto' : engines[last as keyof typeof engines]
}

const engines = { 'kexec-syscall-auto': 'auto', 'kexec-file-syscall': 'file', 'kexec-syscall': 'segments' } as const

const remedies: Readonly<Record<string, string>> = {
  dtb: 'Omit it: the new kernel gets the device tree of the running one.',
  reuseinitrd: 'Name the file with --initrd.',
}

function specificationOf(given: GivenOption): KexecOption {
  return kexecOptions.find(
    ({ name, letter }) => given.name === `--${name}` || (letter !== undefined && given.name === `-${letter}`),
  ) as KexecOption
}

function ignoredOptions(options: readonly GivenOption[]): string[] {
  // Nobody misses these: interfaces up, and images checked, are the wanted state anyway.
  const silent = ['no-ifdown', 'no-checks', 'args-linux']
  const without = options.filter((given) => {
    const { treatment, name } = specificationOf(given)
    return treatment === 'ignored' && !silent.includes(name)
  })
  return [...new Set(without.map((given) => `${given.name} has ${specificationOf(given).help}`))]
}

/** kexec-tools takes the first operand for the kernel and silently ignores the others. */
function ignoredOperands(operands: readonly string[], isLoad: boolean): string[] {
  if (operands.length === 0) return []
  const names = operands.map((operand) => `'${operand}'`).join(', ')
  const instead = isLoad ? 'only one kernel is loaded; name an initrd with --initrd=FILE' : 'nothing is loaded here'
  return [`${names} ${operands.length === 1 ? 'has' : 'have'} no effect: ${instead}`]
}

/** strtoul(3) with base 0, and nothing behind the number. */
const NUMBER = /^\s*[+-]?(0x[0-9a-f]+|0[0-7]*|[1-9]\d*)?$/i

function badAddress({ meaning, value, name }: GivenOption): string | null {
  if (!['entry', 'mem-min', 'mem-max'].includes(meaning) || NUMBER.test(value ?? '')) return null
  return `${name} takes an address, not '${value}'`
}

const LEAST_BAUD = 9600
const MOST_BAUD = 115200

/** Checked as in kexec-tools, although they have no effect: a script with wrong values gets the error. */
function badSerial({ meaning, value, name }: GivenOption): string | null {
  const text = value ?? ''
  if (meaning === 'serial' && !/^(ttyS[01]|0x0*[0-9a-f]{0,4})$/i.test(text)) {
    return `${name} takes ttyS0, ttyS1 or a port such as 0x3f8, not '${text}'`
  }
  const rate = Number(text)
  const isRate = rate >= LEAST_BAUD && rate <= MOST_BAUD && MOST_BAUD % rate === 0
  if (meaning === 'serial-baud' && !(NUMBER.test(text) && isRate)) {
    return `${name} takes a rate that divides ${MOST_BAUD}, not '${text}'`
  }
  return null
}

function wrong(status: 1 | 255, problem: string, hint: string | null): Request {
  return { kind: 'wrong', status, problem, hint }
}

function meant(problem: string): string {
  const [, unknown] = /^there is no option --(.+)$/.exec(problem) ?? []
  if (unknown === undefined) return ''
  const suggestion = nearest(
    unknown,
    kexecOptions.map(({ name }) => name),
  )
  return suggestion === undefined ? '' : `; did you mean --${suggestion}?`
}
