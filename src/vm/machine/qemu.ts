import { type ChildProcess, spawn } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { basename } from 'node:path'
import type { Duplex } from 'node:stream'
import { findProgram, ProvisionError } from '../host/process.ts'
import { type Accelerator, type Architecture, architectures } from './architectures.ts'

/** A disk of the machine (virtio-blk). */
export interface Disk {
  /** File of the host. */
  readonly path: string
  /** Default: 'raw'. */
  readonly format?: 'raw' | 'qcow2'
  /** Default: true. A writable disk changes its file. */
  readonly readOnly?: boolean
  /** Shows up in the guest as /sys/block/NAME/serial; at most 20 characters. */
  readonly serial?: string
}

export interface DirectBoot {
  readonly kernel: string
  readonly initrd?: string | undefined
  readonly commandLine: string
}

/** UEFI firmware: its program, and the file of its variables, which is not written to. */
export interface Flash {
  readonly code: string
  readonly variables: string
  /** It checks signatures, and only the firmware itself may change its variables. */
  readonly secure?: boolean
}

export interface QemuOptions {
  /** Default: amd64. */
  readonly architecture?: Architecture
  readonly accelerator: Accelerator
  /** Features that an emulated x86 processor is not to have. */
  readonly without?: readonly string[]
  /** MiB. */
  readonly memory: number
  readonly cpus: number
  /** The kernel that QEMU loads by itself; without it, the firmware boots from the first disk. */
  readonly direct?: DirectBoot | undefined
  /** In place of the BIOS. */
  readonly flash?: Flash | undefined
  readonly disks: readonly Disk[]
  /** A reset by the guest boots again instead of ending QEMU. */
  readonly survivesReset: boolean
  readonly extra: readonly string[]
}

export interface QemuExit {
  readonly status: number | null
  readonly signal: string | null
  /** QEMU's own output. */
  readonly words: string
}

/** A running QEMU. Its ports are inherited socket pairs: no names can be guessed or left behind. */
export interface QemuProcess {
  readonly pid: number | undefined
  readonly console: Duplex
  readonly control: Duplex
  readonly monitor: Duplex
  /** Resolves when it is gone and all its output has been read. Never rejects. */
  readonly exit: Promise<QemuExit>
  kill(signal: 'SIGTERM' | 'SIGKILL'): void
}

const running = new Set<ChildProcess>()

/**
 * A shell that becomes QEMU, and leaves a second one that waits for our end: the connection to us breaks. A line on it is QEMU's
 * own end, after which its process number may be another's.
 */
const WATCHED = '{ exec 3<&- 4<&- 5<&- >/dev/null 2>&1; read -r line <&6 || kill -KILL $$; } & exec 6<&-; exec "$@"'

/**
 * Starts QEMU. It dies with the thread that started it, even if that is killed: setpriv(1) of util-linux requests that from the
 * kernel (PR_SET_PDEATHSIG), and a shell watches over it where that is missing.
 * @throws ProvisionError when QEMU is not installed.
 */
export function startQemu(options: QemuOptions): QemuProcess {
  const { architecture = architectures.amd64 } = options
  const program = qemuProgram(architecture)
  const args = qemuArguments(architecture, options)
  const setpriv = findSetpriv()
  const command = setpriv === undefined ? ['/bin/sh', '-c', WATCHED, 'sh'] : [setpriv, '--pdeathsig', 'KILL']
  const stdio = ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe'] as const
  const child = spawn(command[0] as string, [...command.slice(1), program, ...args], { stdio: [...stdio] })
  if (running.size === 0) process.once('exit', killAll)
  running.add(child)

  const [, , , console, control, monitor, watcher] = child.stdio as unknown as Duplex[]
  const words: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => words.push(chunk))
  const exit = new Promise<QemuExit>((resolve) => {
    const ended = (status: number | null, signal: string | null) => {
      running.delete(child)
      if (running.size === 0) process.off('exit', killAll)
      resolve({ status, signal, words: Buffer.concat(words).toString().trim() })
    }
    child.once('error', (error) => {
      words.push(Buffer.from(error.message))
      ended(null, null)
    })
    child.once('exit', () => watcher?.end('\n'))
    child.once('close', ended)
  })
  for (const stream of [console, control, monitor, watcher]) stream?.on('error', () => {})
  return {
    pid: child.pid,
    console: console as Duplex,
    control: control as Duplex,
    monitor: monitor as Duplex,
    exit,
    kill: (signal) => void child.kill(signal),
  }
}

/** busybox has a setpriv without --pdeathsig. */
function findSetpriv(): string | undefined {
  const setpriv = findProgram('setpriv')
  return setpriv === undefined || basename(realpathSync(setpriv)) === 'busybox' ? undefined : setpriv
}

/** This machine's QEMU for such guests. @throws ProvisionError when there is none. */
export function qemuProgram({ emulator }: Architecture): string {
  const program = findProgram(emulator.program)
  if (program !== undefined) return program
  throw new ProvisionError(`${emulator.program} is not installed`, {
    hint: `On Debian: apt-get install ${emulator.package}`,
  })
}

function killAll(): void {
  for (const child of running) child.kill('SIGKILL')
}

/**
 * MiB of translated code that the emulator keeps: kernel and Node together take some 100, and with less each command
 * has to be translated again; `linux-kexec list` took 1.5 s with 64 MiB and 0.7 s with 128. By default it keeps up to 1
 * GiB, and a new kernel that writes over the memory of the old one has to have each piece discarded first, which takes
 * longer than translating again.
 */
const TRANSLATED = 128

function qemuArguments(architecture: Architecture, options: QemuOptions): string[] {
  const drives = options.disks.flatMap((disk, index) => {
    const { path, format = 'raw', readOnly = true, serial } = disk
    const drive = `if=none,id=disk${index},format=${format},readonly=${readOnly ? 'on' : 'off'},file=${escapeComma(path)}`
    const name = serial === undefined ? '' : `,serial=${escapeComma(serial)}`
    // The kernel that QEMU loads by itself takes the first place in the boot order.
    const device = `${architecture.disk},drive=disk${index},bootindex=${index + 1}${name}`
    return ['-drive', drive, '-device', device]
  })
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-nic', 'none'],
    ...architecture.machine(options.accelerator, options.without),
    ...(options.flash === undefined ? [] : flashDrives(options.flash)),
    ...['-accel', options.accelerator === 'tcg' ? emulation(architecture) : 'kvm'],
    ...['-m', String(options.memory), '-smp', String(options.cpus)],
    ...['-action', `reboot=${options.survivesReset ? 'reset' : 'shutdown'},panic=none`],
    ...architecture.ports,
    ...['-chardev', 'socket,id=monitor,fd=5', '-mon', 'chardev=monitor,mode=control'],
    ...drives,
    ...(options.direct === undefined ? [] : directBoot(options.direct)),
    ...options.extra,
  ]
}

function emulation({ takesTurns = false }: Architecture): string {
  return `tcg,thread=${takesTurns ? 'single' : 'multi'},tb-size=${TRANSLATED}`
}

/**
 * Where only firmware may write its variables, it does so in system management mode, which only q35 has. Its writes go
 * to a file that QEMU has deleted already.
 */
function flashDrives({ code, variables, secure }: Flash): string[] {
  const flash = 'if=pflash,format=raw'
  return [
    ...(secure ? ['-machine', 'q35,smm=on', '-global', 'driver=cfi.pflash01,property=secure,value=on'] : []),
    ...['-drive', `${flash},unit=0,readonly=on,file=${escapeComma(code)}`],
    ...['-drive', `${flash},unit=1,snapshot=on,file=${escapeComma(variables)}`],
  ]
}

function directBoot({ kernel, initrd, commandLine }: DirectBoot): string[] {
  return ['-kernel', kernel, ...(initrd === undefined ? [] : ['-initrd', initrd]), '-append', commandLine]
}

function escapeComma(value: string): string {
  return value.replaceAll(',', ',,')
}
