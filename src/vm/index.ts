/**
 * `linux-kexec/vm`: real Linux kernels in QEMU, for tests that reboot. Build a guest, start it, run commands, wait for
 * kernels to come up, and get one outcome. docs/vm.md shows how.
 */

export type { FirmwareOptions } from './firmware/secure-boot.ts'
export type { Guest, GuestKernel, GuestOptions } from './guest/guest.ts'
export { buildGuest } from './guest/guest.ts'
export { cacheDirectory } from './host/cache.ts'
export { ProvisionError } from './host/process.ts'
export type { ImageEntry } from './initramfs/cpio.ts'
export { writeCpio } from './initramfs/cpio.ts'
export type { Boot, RunResult } from './machine/agent.ts'
export type { Accelerator, ArchitectureName } from './machine/architectures.ts'
export type { ConsoleSection } from './machine/console.ts'
export type { Deadline } from './machine/machine.ts'
export { Vm } from './machine/machine.ts'
export type { Outcome } from './machine/outcome.ts'
export { VmError } from './machine/outcome.ts'
export type { Disk } from './machine/qemu.ts'
export type { Progress } from './provision/debian.ts'
export type { Kernel, NewestKernelsOptions, SeriesOptions } from './provision/kernels.ts'
export { newestKernels, newestOfSeries } from './provision/kernels.ts'
export type { VmOptions } from './start.ts'
export { runVm, startVm } from './start.ts'
export type { UserlandName } from './userlands/available.ts'
