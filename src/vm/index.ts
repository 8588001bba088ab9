/**
 * `linux-kexec/vm`: real Linux kernels in QEMU, for tests that reboot. Build a guest, start it, run commands, wait for
 * kernels to come up, and get one outcome. docs/vm.md shows how.
 */

export type { Boot, RunResult } from './agent.ts'
export type { ArchitectureName } from './architectures.ts'
export { cacheFolder } from './cache.ts'
export type { ConsoleSection } from './console.ts'
export type { ImageEntry } from './cpio.ts'
export { writeCpio } from './cpio.ts'
export type { Progress } from './debian.ts'
export type { Guest, GuestKernel, GuestOptions } from './guest.ts'
export { buildGuest } from './guest.ts'
export type { Kernel, NewestKernelsOptions } from './kernels.ts'
export { newestKernels } from './kernels.ts'
export type { Deadline } from './machine.ts'
export { Vm } from './machine.ts'
export type { Outcome } from './outcome.ts'
export { VmError } from './outcome.ts'
export { ProvisionError } from './process.ts'
export type { Accelerator, Disk } from './qemu.ts'
export type { FirmwareOptions } from './secure-boot.ts'
export type { VmOptions } from './start.ts'
export { runVm, startVm } from './start.ts'
export type { UserlandName } from './userlands/index.ts'
