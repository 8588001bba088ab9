import { fstatSync } from 'node:fs'
import { System } from '../../system/system.ts'
import { checkKernelImage } from '../checks/kernel-image.ts'
import { checkSizes } from '../checks/sizes.ts'
import type { Choices } from '../choices/choices.ts'
import type { Context } from '../context/context.ts'
import { readRunningMachine } from '../context/running-machine.ts'
import { refusalsIn } from '../model/remark.ts'
import type { Prepared } from './preparation.ts'

/**
 * The last check before the kernel is asked: of the machine that will load the plan, which may not be the one it was
 * made for, and of the unpacked files, whose size is known only now.
 * @throws KexecError the first fault
 */
export function refuseWhatDoesNotFit({ kernel, options }: Context, { engine }: Choices, prepared: Prepared): void {
  const system = new System()
  const running = readRunningMachine(system)
  const { panic = false, tryAnyway = false } = options
  const { image, chain, file } = kernel
  const kernelFile = fstatSync(prepared.kernelFd).size
  const initrdBytes = prepared.initrdFd === -1 ? 0 : fstatSync(prepared.initrdFd).size
  const { path, size: fileSize } = file
  const way = { engine, barring: null, tryAnyway }
  const releasedBytes = engine === 'segments' ? prepared.memoryBytes : 0
  const sizes = { kernelFile, kernelMemory: image.memoryNeeded, initrdBytes, copiedBytes: 0, releasedBytes }
  const names = { kernel: path, initrd: 'the initrd' }
  const { architecture } = image
  const [refusal] = refusalsIn([
    ...checkKernelImage(running, { path, image, chain, fileSize, loadedSize: kernelFile, way }),
    ...checkSizes(system, running, { sizes, names, panic, architecture, source: null, tryAnyway }),
  ])
  if (refusal !== undefined) throw refusal
}
