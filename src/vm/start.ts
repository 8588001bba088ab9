import {
  callback,
  checkOptions,
  listOf,
  milliseconds,
  type OptionKinds,
  object,
  oneOf,
  positiveNumber,
  text,
} from '../options.ts'
import { plainFirmware } from './firmware/firmware.ts'
import { grubDisk } from './firmware/grub.ts'
import { type FirmwareOptions, secureFirmware, shimDisk } from './firmware/secure-boot.ts'
import type { Guest, GuestKernel } from './guest/guest.ts'
import { ROOT_SERIAL } from './initramfs/scripts.ts'
import type { RunResult } from './machine/agent.ts'
import { type Accelerator, type Architecture, architectures } from './machine/architectures.ts'
import { Vm } from './machine/machine.ts'
import { type Outcome, VmError } from './machine/outcome.ts'
import { type Disk, type Flash, startQemu } from './machine/qemu.ts'
import { provenAccelerator } from './provision/accelerator.ts'
import type { Progress } from './provision/debian.ts'

/**
 * A panic resets at once; kernels name themselves. Under emulation a kernel that moves itself at random takes between 1
 * and 6 s from kexec to its first line, without that 1.2 to 1.9 s: tests are better off with even times.
 */
const COMMAND_LINE = 'panic=-1 loglevel=6 nokaslr'

export interface VmOptions {
  /** From `buildGuest`. Without one, the machine has no root disk and `kernel` must be given. */
  readonly guest?: Guest
  /** The kernel to boot. Default: the guest's first kernel. */
  readonly kernel?: GuestKernel | { readonly kernel: string; readonly initrd?: string }
  /**
   * Kernel command line. Default: `console=ttyS0 panic=-1 loglevel=6 nokaslr no_timer_check`, on other machines with
   * their own console and without `no_timer_check`. The guest does not need it to find its root. At loglevel 5 and
   * below, or with `quiet`, kernels do not name themselves and share one console section.
   */
  readonly commandLine?: string
  /** Added to the command line. */
  readonly append?: string
  /** MiB, default 1024. */
  readonly memory?: number
  /** Default 1. */
  readonly cpus?: number
  /** 'auto' (default) takes KVM where it is known to boot a kernel. */
  readonly accelerator?: Accelerator | 'auto'
  /**
   * How the machine boots. 'none' (default): QEMU loads the kernel itself, which no real machine can, and in no time.
   * 'uefi': UEFI firmware starts the kernel that QEMU gives it, as an EFI program; on arm64 the new kernel then gets
   * its devices from ACPI tables, with `qemuArguments: ['-machine', 'acpi=off']` from a device tree. On amd64 alone:
   * 'grub': BIOS, then Debian's GRUB, which loads the kernel from the guest's /boot, for comparison with a firmware
   * reboot. 'shim': UEFI firmware with Secure Boot, Debian's shim, its signed GRUB, and a kernel that they let through.
   * 'disk': BIOS, then the boot loader on the first of `disks`. What it starts must bring one of the guest's initrds;
   * `kernel`, `commandLine` and `append` then count for nothing.
   */
  readonly bootLoader?: 'none' | 'uefi' | 'grub' | 'shim' | 'disk'
  /** Only with 'grub': its initrd, in GRUB's own words. `(hd2)0+2048` is the first MiB of the first of `disks`. */
  readonly grubInitrd?: string
  /** The firmware's keys and switches. Only with 'shim'. */
  readonly firmware?: FirmwareOptions
  /** Disks besides the root disk. */
  readonly disks?: readonly Disk[]
  /**
   * The effect of a reset through the firmware: end the run as 'rebooted' (default), or boot `kernel` again; with
   * 'after-panic', even when a panic ends in it (`panic=`).
   */
  readonly firmwareReboot?: 'ends' | 'allowed' | 'after-panic'
  /**
   * Milliseconds between a panic and the end of the run as 'panicked', when the machine does not reset. Default: 5000.
   * Give a crash kernel the time that a boot may take: until it names itself, its start is uncertain.
   */
  readonly panicGrace?: number
  /** Appended to QEMU's own arguments. */
  readonly qemuArguments?: readonly string[]
  readonly progress?: Progress
}

const kinds: OptionKinds<VmOptions> = {
  guest: object,
  kernel: object,
  commandLine: text,
  append: text,
  memory: positiveNumber,
  cpus: positiveNumber,
  accelerator: oneOf('auto', 'kvm', 'tcg'),
  bootLoader: oneOf('none', 'uefi', 'grub', 'shim', 'disk'),
  grubInitrd: text,
  firmware: object,
  disks: listOf(object),
  firmwareReboot: oneOf('ends', 'allowed', 'after-panic'),
  panicGrace: milliseconds,
  qemuArguments: listOf(text),
  progress: callback,
}

/** Starts a machine. It is running when this resolves, and not yet booted. @throws ProvisionError without QEMU. */
export async function startVm(given: VmOptions): Promise<Vm> {
  const options = checkOptions('startVm()', given, kinds)
  const { guest, accelerator = 'auto', progress = () => {} } = options
  const kernel: NonNullable<VmOptions['kernel']> | undefined = options.kernel ?? guest?.kernels[0]
  if (kernel === undefined) throw new RangeError('startVm needs a guest or a kernel')
  const architecture: Architecture = architectures[guest?.architecture ?? 'amd64']
  const commandLine = [
    options.commandLine ??
      [`console=${architecture.console}`, COMMAND_LINE, ...(architecture.parameters ?? [])].join(' '),
    ...(options.append === undefined ? [] : [options.append]),
  ].join(' ')
  const { bootLoader = 'none' } = options
  const direct = bootLoader === 'none' || bootLoader === 'uefi' ? { ...kernel, commandLine } : undefined
  const flash = await flashFor(options, architecture)
  const proven = () => provenAccelerator(architecture, kernel.kernel, kernel.initrd, progress)
  const qemu = startQemu({
    architecture,
    accelerator: accelerator === 'auto' ? await proven() : accelerator,
    memory: options.memory ?? 1024,
    cpus: options.cpus ?? 1,
    direct,
    flash,
    disks: await disksInOrder(options, kernel, commandLine),
    survivesReset: (options.firmwareReboot ?? 'ends') !== 'ends',
    extra: options.qemuArguments ?? [],
  })
  return new Vm(qemu, {
    panicGrace: options.panicGrace,
    resetAfterPanic: options.firmwareReboot === 'after-panic',
  })
}

/** The firmware boots from the first, unless QEMU loads the kernel itself. */
async function disksInOrder(options: VmOptions, kernel: object, commandLine: string): Promise<Disk[]> {
  const { guest, bootLoader, disks = [] } = options
  const root = guest === undefined ? [] : [{ path: guest.rootImage, serial: ROOT_SERIAL }]
  if (bootLoader === 'disk') {
    if (disks.length === 0) throw new RangeError("the boot loader 'disk' needs a disk")
    return [...disks, ...root]
  }
  const isOnDisk = bootLoader === 'grub' || bootLoader === 'shim'
  const boot = isOnDisk ? [{ path: await bootDisk(options, kernel, commandLine), serial: 'boot' }] : []
  return [...boot, ...root, ...disks]
}

async function flashFor(options: VmOptions, architecture: Architecture): Promise<Flash | undefined> {
  const { bootLoader, firmware = {}, progress = () => {} } = options
  if (bootLoader === 'shim') return secureFirmware(firmware, progress)
  return bootLoader === 'uefi' ? plainFirmware(architecture, progress) : undefined
}

async function bootDisk(options: VmOptions, kernel: object, commandLine: string): Promise<string> {
  const { bootLoader, guest, progress = () => {} } = options
  if (guest?.architecture !== 'amd64') throw new RangeError(`${bootLoader} boots amd64 guests only`)
  if (!('release' in kernel)) throw new RangeError('grub boots kernels of a guest only')
  const chosen = kernel as GuestKernel
  if (bootLoader === 'shim') return shimDisk(chosen, commandLine, progress)
  return grubDisk(chosen.release, commandLine, progress, options.grubInitrd)
}

/**
 * Starts a machine, lets `body` work with it, stops it, and returns the outcome. Never throws for events inside.
 * @param body its result counts when it is an exit status or a RunResult: other than 0 means failure. An exception
 *   means failure too.
 */
export async function runVm(options: VmOptions, body: (vm: Vm) => Promise<unknown>): Promise<Outcome> {
  const vm = await startVm(options)
  try {
    const result = await body(vm)
    const status = statusOf(result)
    if (status === 0) return await vm.stop()
    return await vm.fail(status, 'what ran in the machine failed')
  } catch (error) {
    if (error instanceof VmError) return error.outcome
    return await vm.fail(null, error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
}

function statusOf(result: unknown): number {
  if (typeof result === 'number') return result
  const { status } = (result ?? {}) as Partial<RunResult>
  return typeof status === 'number' ? status : 0
}
