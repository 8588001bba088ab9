import { fstatSync } from 'node:fs'
import type { Source } from '../../entries/model/entry.ts'
import type { System } from '../../system/system.ts'
import type { Engine } from '../choices/engine.ts'
import type { InitrdChoice } from '../context/initrds.ts'
import { needsUnpacking, type PlannedKernel } from '../context/kernel.ts'
import type { Prepared } from '../loading/preparation.ts'
import { Findings } from '../model/decision.ts'
import { checkCrashMemory } from './crash-memory.ts'
import { checkFileSize } from './file-size.ts'
import { checkKernelImage } from './kernel-image.ts'
import { checkMemory, type LoadSizes } from './memory.ts'

/** What the plan knows of the sizes: of what is yet to be unpacked, the least it can be. */
export function plannedSizes(kernel: PlannedKernel, { initrds, overlay }: InitrdChoice): LoadSizes {
  const kernelFile = leastSize(kernel)
  const added = overlay.reduce((sum, { content }) => sum + content.size, 0)
  const initrdBytes = initrds.reduce((sum, { size }) => sum + size, added)
  const isOneFile =
    initrds.length === 1 && initrds[0]?.file?.fd != null && !initrds[0].isWrapped && overlay.length === 0
  const copiedBytes = (needsUnpacking(kernel) ? kernelFile : 0) + (isOneFile ? 0 : initrdBytes)
  return { kernelFile, kernelMemory: kernel.image.memoryNeeded, initrdBytes, copiedBytes }
}

function leastSize({ contents, file, image }: PlannedKernel): number {
  const innermost = contents.at(-1)?.parts.find(({ kind }) => kind === 'kernel')
  return Math.max(innermost?.unpackedSize ?? innermost?.length ?? file.size, image.minimumSize ?? 0)
}

/** What is planned, as far as sizes depend on it. */
export interface PlannedSizes {
  readonly kernel: PlannedKernel
  readonly choice: InitrdChoice
  readonly panic: boolean
  /** Where the boot entry comes from; null without one. */
  readonly source: Source | null
  /** What the initrd unpacks to; null where that is not known. */
  readonly unpackedBytes: number | null
  readonly tryAnyway: boolean
}

/** What is refused for want of memory is only warned of where the kernel is to be asked anyway: it may judge otherwise. */
function addMemory(found: Findings, tryAnyway: boolean, findings: Findings): void {
  findings.warnings.push(...found.warnings)
  findings.unchecked.push(...found.unchecked)
  for (const refusal of found.refusals) {
    if (tryAnyway) findings.warn(`${refusal.summary}; the kernel is asked anyway`)
    else findings.refuse(refusal)
  }
}

/** Refuses a kernel or an initrd that is too large for the syscall or for the memory. */
export function checkSizes(system: System, planned: PlannedSizes, findings: Findings): void {
  const { kernel, choice, panic, source, unpackedBytes, tryAnyway } = planned
  const sizes = { ...plannedSizes(kernel, choice), unpackedBytes }
  checkFileSize(system, { path: kernel.file.path, size: sizes.kernelFile, what: 'kernel' }, findings)
  const path = choice.initrds.map((initrd) => initrd.path).join(', ')
  checkFileSize(system, { path, size: sizes.initrdBytes, what: 'initrd' }, findings)
  const memory = new Findings()
  if (panic) checkCrashMemory(system, { sizes, architecture: kernel.image.architecture, source }, memory)
  checkMemory(system, sizes, panic, memory)
  addMemory(memory, tryAnyway, findings)
}

/**
 * The last look before the kernel is asked: at the machine that will load it, which the plan may not have been made for, and
 * at what was unpacked, whose size is known only now.
 * @throws KexecError the first thing that is wrong
 */
export function refuseWhatDoesNotFit(
  system: System,
  kernel: PlannedKernel,
  prepared: Prepared,
  { panic, engine, tryAnyway }: { readonly panic: boolean; readonly engine: Engine; readonly tryAnyway: boolean },
): void {
  const findings = new Findings()
  const { image, chain, file } = kernel
  const kernelFile = fstatSync(prepared.kernelFd).size
  const initrdBytes = prepared.initrdFd === -1 ? 0 : fstatSync(prepared.initrdFd).size
  const { path, size: fileSize } = file
  const way = { engine, barring: null, tryAnyway }
  checkKernelImage(system, { path, image, chain, fileSize, loadedSize: kernelFile, way }, findings)
  checkFileSize(system, { path, size: kernelFile, what: 'kernel' }, findings)
  checkFileSize(system, { path: 'the initrd', size: initrdBytes, what: 'initrd' }, findings)
  const releasedBytes = engine === 'segments' ? prepared.memoryBytes : 0
  const sizes = { kernelFile, kernelMemory: image.memoryNeeded, initrdBytes, copiedBytes: 0, releasedBytes }
  const memory = new Findings()
  if (panic) checkCrashMemory(system, { sizes, architecture: image.architecture, source: null }, memory)
  checkMemory(system, sizes, panic, memory)
  addMemory(memory, tryAnyway, findings)
  const [refusal] = findings.refusals
  if (refusal !== undefined) throw refusal
}
