import { type CommandLine, parseCommandLine, sameKey } from '../../cmdline/parse.ts'
import { markOf } from '../../cmdline/reuse.ts'
import { KexecError } from '../../errors.ts'
import { bytesOfText } from '../../exact-text.ts'
import type { InitrdOverlay } from '../../initrd/overlay.ts'
import type { System } from '../../system/system.ts'
import { deadmanCode } from './deadman-code.ts'

/** The places of the program and its file in the initrd, and its name as a process: native/deadman/deadman.c. */
const PROGRAM = '/linux-kexec-deadman'
const TRIAL = '/linux-kexec-trial'
const NAME = '@linux-kexec-trial'

/** The init of an initrd, if no `rdinit=` names another: ramdisk_execute_command of init/main.c. */
const DEFAULT_INIT = '/init'

/** The parameter that starts the program first: `startDeadman` finds its place. */
export const deadmanParameter = `rdinit=${PROGRAM}`

/** The longest path that a system call takes, in bytes (PATH_MAX without the NUL). */
const MAX_PATH = 4095
/** The program reads nine digits: 31 years. */
const MAX_DEADLINE = 999_999_999

const programs: ReadonlyMap<string, { readonly program: string }> = new Map(Object.entries(deadmanCode))

/** What starts the program in the initrd before the real init. */
export interface DeadmanStart {
  /** The id of the trial: 16 hex digits. */
  readonly id: string
  /** Seconds from the start of the new kernel to the reset; parts of one are rounded up. */
  readonly deadlineSeconds: number
  /** The new kernel's, as `KernelImage` has it. */
  readonly architecture: string
  /** The path of the init that follows, in the initrd: from `startDeadman`. */
  readonly nextInit: string
}

/** A deadman that runs on this machine. */
export interface Deadman {
  readonly pid: number
  /** The id of its trial. */
  readonly id: string
}

/** Whether there is a deadman for kernels of this architecture. */
export function hasDeadman(architecture: string): boolean {
  return programs.has(architecture)
}

/**
 * The files that the initrd needs. It must have `nextInit`: in an initrd without an init, such as one of microcode alone, no
 * deadman can start, because the kernel would not mount the root file system by itself any more.
 * @throws RangeError for an architecture without the program, or an impossible id or deadline; KexecError 'invalid-argument' (refused)
 *   for an init that it cannot start
 */
export function deadmanOverlay({ id, deadlineSeconds, architecture, nextInit }: DeadmanStart): InitrdOverlay[] {
  const code = programs.get(architecture)
  const seconds = Math.ceil(deadlineSeconds)
  if (code === undefined) throw new RangeError(`there is no deadman for ${architecture}`)
  if (!/^[0-9a-f]{16}$/.test(id)) throw new RangeError(`'${id}' is not the id of a trial`)
  if (!(seconds > 0 && seconds <= MAX_DEADLINE))
    throw new RangeError(`a deadline of ${deadlineSeconds} s is impossible`)
  const path = bytesOfText(nextInit)
  if (path.length === 0 || path.length > MAX_PATH || path.includes(0)) throw noInit(nextInit)
  return [
    { source: Buffer.from(code.program, 'base64'), destination: PROGRAM, mode: 0o755 },
    {
      source: Buffer.concat([Buffer.from(`${id}\n${seconds}\n`), path, Buffer.from('\n')]),
      destination: TRIAL,
      mode: 0o600,
    },
  ]
}

function noInit(path: string): KexecError {
  return new KexecError(`rdinit= on the command line is not the path of a program: '${path}'`, {
    reason: 'invalid-argument',
    hint: 'Remove rdinit= from the command line, or give it the path of the init in the initrd.',
    refused: true,
  })
}

/**
 * The command line that starts the deadman first, with the mark that lets the next load take it off; and the init that would
 * otherwise be first. `rdinit=` makes the kernel forget the words for init before it (rdinit_setup() of init/main.c), and the
 * last one counts. So it goes to the beginning, or behind the one that is there: init gets the same words.
 */
export function startDeadman(given: CommandLine): { readonly commandLine: CommandLine; readonly nextInit: string } {
  const commandLine = withoutDeadman(given)
  const { parameters } = commandLine
  const own = parameters.findLastIndex(({ key, value }) => sameKey(key, 'rdinit') && value !== null)
  return {
    commandLine: { ...commandLine, parameters: parameters.toSpliced(own + 1, 0, ...started) },
    nextInit: parameters[own]?.value ?? DEFAULT_INIT,
  }
}

const started = parseCommandLine(`${deadmanParameter} ${markOf(deadmanParameter)}`).parameters

/** Starting it a second time changes nothing. */
function withoutDeadman(commandLine: CommandLine): CommandLine {
  const isOurs = (raw: string) => started.some((parameter) => parameter.raw === raw)
  return { ...commandLine, parameters: commandLine.parameters.filter(({ raw }) => !isOurs(raw)) }
}

/**
 * The deadman of the running system; null without one. Any program can give itself its name, so it also has to be a child of
 * PID 1 and to run as root.
 */
export function findDeadman(system: System): Deadman | null {
  for (const name of system.list('/proc')) {
    if (!/^[1-9][0-9]*$/.test(name)) continue
    const [program, id] = (system.readText(`/proc/${name}/cmdline`) ?? '').split('\0')
    if (program !== NAME || id === undefined || !isRootsChildOfInit(system, name)) continue
    return { pid: Number(name), id }
  }
  return null
}

function isRootsChildOfInit(system: System, pid: string): boolean {
  const status = system.readText(`/proc/${pid}/status`) ?? ''
  return /^PPid:\t1$/m.test(status) && /^Uid:\t0\t0\t0\t0$/m.test(status)
}

/** Ends the deadman: the trial was confirmed. @throws Node's error of kill(2): ESRCH when it has ended, EPERM */
export function releaseDeadman(pid: number): void {
  signal(pid, 'SIGUSR1')
}

/** Lets the deadman reset the machine at once: the trial has failed. @throws Node's error of kill(2) */
export function fireDeadman(pid: number): void {
  signal(pid, 'SIGUSR2')
}

function signal(pid: number, name: 'SIGUSR1' | 'SIGUSR2'): void {
  // To kill(2), 0 and negative numbers are groups of processes.
  if (!(Number.isInteger(pid) && pid > 1)) throw new RangeError(`${pid} is not the deadman's process`)
  process.kill(pid, name)
}
