import { posix } from 'node:path'
import { KexecError } from '../../errors.ts'
import { optionName } from '../../option-name.ts'
import { familyOf } from '../../system/architecture.ts'
import type { Choices } from '../choices/choices.ts'
import { whyNotSegments } from '../choices/engine.ts'
import type { Context } from '../context/context.ts'
import type { PlannedKernel } from '../context/kernel.ts'
import { type Remark, remarksOn } from '../model/remark.ts'
import { builtImages, checkKernelImage, REINSTALL } from './kernel-image.ts'

const { warning, refusal } = remarksOn('kernel')

/** Refuses damaged images, and kernels that this machine or the system call would not take. */
export function checkKernel(context: Context, { engine }: Choices): Remark[] {
  const { kernel, running, options } = context
  const { image, file, contents, chain, examination } = kernel
  const builtImage = builtImageBeside(context)
  const { tryAnyway = false } = options
  const { path } = file
  const damage = checkDamage(kernel, tryAnyway)
  const remarks = [...checkVendorBoot(kernel), ...damage]
  // The content is then not the intended one.
  if (damage.length > 0 && !tryAnyway && chain.length === 1 && contents.length > 0) return remarks
  const way = { engine, barring: whyNotSegments(context), tryAnyway }
  const loadedSize = examination?.kernelSize ?? null
  return [
    ...remarks,
    ...checkVersionLine(kernel),
    ...checkKernelImage(running, { path, image, chain, fileSize: file.size, loadedSize, way, builtImage }),
  ]
}

function builtImageBeside({ system, kernel: { image, file } }: Context): string | null {
  const inBuild = builtImages[familyOf(image.architecture ?? '')]
  if (inBuild === undefined || image.format !== 'vmlinux') return null
  const path = posix.join(posix.dirname(file.path), inBuild)
  return system.exists(path) ? path : null
}

function checkVendorBoot(kernel: PlannedKernel): Remark[] {
  if (kernel.vendor !== null || !/^Android boot image/.test(kernel.chain[0]?.format ?? '') || !isSplit(kernel))
    return []
  const text = `${kernel.file.path} has a vendor boot image beside it, with the first part of the ramdisk and of the command line: give it with ${optionName('vendor-boot')}`
  return [warning('vendor-boot-not-given', text)]
}

function checkDamage(kernel: PlannedKernel, tryAnyway: boolean): Remark[] {
  const { chain, image, file } = kernel
  const damage = damageOf(kernel)
  if (damage.length === 0) return []
  const summary = `this is ${chain[0]?.description}, damaged: ${damage.join('; ')}`
  if (tryAnyway) return [warning('damaged-image', `${summary}: it is loaded anyway`)]
  const hint = chain.length === 1 && image.bootable ? REINSTALL : 'Copy or make the image again.'
  return [refusal(new KexecError(summary, { reason: 'damaged-image', path: file.path, hint, refused: true }))]
}

function checkVersionLine({ image, file: { path } }: PlannedKernel): Remark[] {
  const isNamed = image.version !== null || !/ Image$/.test(image.format) || image.format === 's390 Image'
  if (!image.bootable || isNamed) return []
  const text = `${path} has no version line of Linux in it: boot loaders and hypervisors have the same header, and this may be one`
  return [warning('no-linux-version', text)]
}

/**
 * The damage that `inspect` finds, and the faults at which systemd-stub would stop. A truncated kernel is left to its
 * own check.
 */
function damageOf({ unified, examination }: PlannedKernel): readonly string[] {
  const found = (examination?.damage ?? []).flatMap(({ problem, isCutOff }) => (isCutOff ? [] : [problem]))
  const others = (unified?.problems ?? []).filter((problem) => !found.some((each) => each.endsWith(problem)))
  return [...found, ...others]
}

/** Android's boot images are split in two from header version 3 on. */
function isSplit({ chain }: PlannedKernel): boolean {
  return chain[0]?.facts.some(({ name, value }) => name === 'header version' && Number(value) >= 3) ?? false
}
