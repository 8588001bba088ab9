import { canDecompress } from '../../compression/decompress.ts'
import { KexecError, type Reason } from '../../errors.ts'
import { bzImageProblems, pagingLevels } from '../../image/formats/bzimage.ts'
import { TRUNCATED } from '../../image/formats/inspect.ts'
import { engineFor } from '../../image/model/engines.ts'
import type { KernelImage } from '../../image/model/image.ts'
import { flagName } from '../../option-name.ts'
import { byteOrderOf, factsOf, familyOf, seriesName } from '../../system/architecture.ts'
import { formatBytes } from '../../text.ts'
import type { Engine } from '../choices/engine.ts'
import { pagingOf, usesFiveLevels } from '../context/paging.ts'
import type { RunningMachine } from '../context/running-machine.ts'
import { type Remark, refusalsIn, remarksOn } from '../model/remark.ts'

const { warning, refusal, unchecked } = remarksOn('kernel')

/** The sign that the running kernel uses 5 levels of page tables: without them the flag is absent. */
const FIVE_LEVELS = [{ source: '/proc/cpuinfo flags', value: 'la57' }]

/** The facts to judge by. */
export interface CheckedKernel {
  readonly path: string
  /** The kernel that would run. */
  readonly image: KernelImage
  /** The chain from the file to that kernel. */
  readonly chain: readonly KernelImage[]
  readonly fileSize: number
  /** Bytes of the kernel alone, as the syscall gets it; null until it is unpacked. */
  readonly loadedSize: number | null
  readonly way: WayIn
  /** The image that the same build made for boot loaders, where it lies in its place beside a vmlinux; else null. */
  readonly builtImage?: string | null
}

/** The system call that will load it. */
export interface WayIn {
  readonly engine: Engine
  /** Why the engine is not `segments`, although nothing else takes the image; otherwise null. */
  readonly barring: string | null
  /** A certain failure then becomes a warning. */
  readonly tryAnyway: boolean
}

/** A refusal of this kernel, with the reason, the sentence and the remedy. */
type Refuse = (
  reason: Reason,
  summary: string,
  hint: string,
  more?: { readonly code?: string | null; readonly evidence?: KexecError['evidence'] },
) => Remark

/**
 * Refuses a kernel that kexec_file_load would not take, or that would not run on this machine. It lists all faults,
 * each once. Questions that only the kernel can answer become warnings, since the kernel itself refuses then.
 */
export function checkKernelImage(running: RunningMachine, kernel: CheckedKernel): Remark[] {
  const refuse: Refuse = (reason, summary, hint, { code, evidence = [] } = {}) => {
    const errno = code === null ? {} : { code: code ?? unknownFormatCode(running) }
    return refusal(new KexecError(summary, { reason, path: kernel.path, hint, evidence, refused: true, ...errno }))
  }
  const stranger = checkArchitecture(kernel, running, refuse)
  const anywhere = [...stranger, ...checkLength(kernel, refuse), ...checkRelocation(kernel, refuse)]
  if (refusalsIn(stranger).length > 0) return anywhere
  return [
    ...anywhere,
    ...checkFormat(kernel, running, refuse),
    ...checkPaging(kernel, running, refuse),
    ...checkPageSize(kernel, running, refuse),
    ...checkRelease(kernel, running),
  ]
}

/**
 * The answer of the loaders to an unknown format: seen on x86_64 and arm64; RISC-V and LoongArch from their sources.
 */
function unknownFormatCode({ architecture }: RunningMachine): string {
  return /^(aarch64|riscv|loongarch)/.test(architecture ?? '') ? 'EINVAL' : 'ENOEXEC'
}

/** Refuses a kernel that is known to be for another machine. */
function checkArchitecture({ image }: CheckedKernel, running: RunningMachine, refuse: Refuse): Remark[] {
  if (image.architecture === null) return []
  if (running.architecture === null) {
    const text = `whether a kernel for ${image.architecture} suits the machine: the root directory has no /proc`
    return [unchecked('architecture', text)]
  }
  if (familyOf(image.architecture) !== familyOf(running.architecture)) {
    const { summary, hint } = strangerTo(running.architecture, image)
    return [refuse('wrong-architecture', summary, hint, { evidence: running.evidence })]
  }
  const own = byteOrderOf(running.architecture)
  const order = image.byteOrder ?? byteOrderOf(image.architecture)
  if (order === own) return []
  const text = `this kernel is ${order}-endian and the running one ${own}-endian: the running kernel refuses it if the CPU does not support both, and programs of the one do not run under the other`
  return [warning('other-byte-order', text)]
}

function strangerTo(running: string, image: KernelImage): { summary: string; hint: string } {
  const is = `this is ${image.description}`
  if (image.architecture === 'i386' && running === 'x86_64') {
    return {
      summary: `${is}, and the running kernel has 64 bits: its kexec_file_load starts 64-bit kernels only`,
      hint: 'Choose a kernel built for x86_64; a 32-bit user space runs under it, too.',
    }
  }
  const summary = `${is}${image.description.includes(image.architecture ?? '') ? '' : ` for ${image.architecture}`}, and this machine is ${running}`
  return { summary, hint: `Choose a kernel built for ${running}.` }
}

/**
 * The minimum that the x86 loader demands, in bytes. Missing bytes beyond it are noticed only after the old kernel is
 * gone.
 */
const LEAST_BZIMAGE = 1024

/** The remedy for a file that was damaged in transit. */
export const REINSTALL = 'Copy or install the kernel again.'

/** Refuses a file that is shorter than its header says. */
function checkLength({ image, chain, fileSize, loadedSize, way }: CheckedKernel, refuse: Refuse): Remark[] {
  const size = chain.length === 1 ? fileSize : loadedSize
  if (image.minimumSize === null || size === null || size >= image.minimumSize) return []
  const missing = `it has ${size} bytes where its header asks for ${image.minimumSize}`
  const summary = `this is ${image.description}, cut off: ${missing}`
  if (way.tryAnyway) return [warning('truncated-kernel', `${summary}: it is loaded anyway`)]
  return [refuse('truncated-kernel', summary, REINSTALL, { code: size < LEAST_BZIMAGE ? 'ENOEXEC' : null })]
}

/**
 * A kernel that must lie at its link address: that place belongs to the running kernel, and never lies in a crash
 * kernel's own memory.
 */
function checkRelocation({ image }: CheckedKernel, refuse: Refuse): Remark[] {
  if (image.relocatable !== false) return []
  const isReported = image.problems.includes(bzImageProblems.boundToItsAddress)
  const summary = `this is ${image.description}, which runs only at the address it was linked for, and kexec_file_load places it elsewhere`
  const hint = 'Choose a kernel that was built with CONFIG_RELOCATABLE=y.'
  // bzImage64_probe ignores this header field alone.
  return [refuse('not-relocatable', summary, hint, isReported ? {} : { code: null })]
}

/** Refuses a file that is not a kernel, or a kernel in a form that the loaders of this architecture do not take. */
function checkFormat(kernel: CheckedKernel, running: RunningMachine, refuse: Refuse): Remark[] {
  const { image, chain, way, builtImage = null } = kernel
  const { engine, reason } = engineFor(image)
  const taken =
    builtImage === null
      ? takenBy(running.architecture ?? image.architecture)
      : `Give the image that the same build made: ${builtImage}.`
  if (engine === 'segments') {
    if (way.engine === 'segments') return []
    const other = way.barring === null ? '' : `; kexec_load, which does, is not used: ${way.barring}`
    const summary = `this is ${image.description}, which kexec_file_load does not take: ${reason}${other}`
    return [refuse('not-a-kernel', summary, taken)]
  }
  const packed = chain.find(({ compression }) => compression !== null && !canDecompress(compression))
  if (packed !== undefined && !image.bootable) {
    const how = `compressed with ${packed.compression}, which is not unpacked here`
    return [refuse('not-a-kernel', `this is ${packed.description}, ${how}`, `Make it with gzip, zstd or xz. ${taken}`)]
  }
  const reported: readonly string[] = Object.values(bzImageProblems)
  const others = image.problems.filter((problem) => !reported.includes(problem) && !problem.startsWith(TRUNCATED))
  if (image.bootable || (others.length === 0 && image.problems.length > 0)) return []
  const what = others.length > 0 ? `${image.description}: ${others.join('; ')}` : image.description
  const wrappings = chain.slice(0, -1).map(({ description }) => ` in ${description}`)
  const where = wrappings.reverse().join('')
  return [refuse('not-a-kernel', `this is ${what}${where}, not a kernel that kexec_file_load takes`, taken)]
}

/** The image for boot loaders below a kernel's build directory, where its vmlinux lies. */
export const builtImages: Readonly<Record<string, string>> = {
  x86_64: 'arch/x86/boot/bzImage',
  aarch64: 'arch/arm64/boot/Image',
  riscv64: 'arch/riscv/boot/Image',
  s390x: 'arch/s390/boot/bzImage',
}

/** The file to give instead. */
function takenBy(architecture: string | null): string {
  const or = 'or an image that holds one'
  switch (familyOf(architecture ?? '')) {
    case 'aarch64':
      return `Give an Image (arch/arm64/boot/Image), an Image.gz, vmlinuz.efi, ${or}.`
    case 'riscv64':
      return `Give an Image (arch/riscv/boot/Image), a vmlinux, ${or}.`
    case 'ppc64':
      return 'Give a vmlinux.'
    case 's390x':
      return `Give a bzImage (arch/s390/boot/bzImage), ${or}.`
    case 'loongarch64':
      return `Give a vmlinux.efi or vmlinuz.efi, a vmlinux, ${or}.`
    default:
      return `Give a bzImage, such as /boot/vmlinuz-VERSION or arch/x86/boot/bzImage, ${or}.`
  }
}

/** bzImage64_probe of arch/x86/kernel/kexec-bzimage64.c. */
function checkPaging({ image }: CheckedKernel, running: RunningMachine, refuse: Refuse): Remark[] {
  if (pagingOf(image) !== pagingLevels.unknown || !usesFiveLevels(running)) return []
  const summary = `this is ${image.description}, which knows 4 levels of page tables, and the running kernel uses 5`
  const hint = 'Choose a newer kernel, or boot the running one with no5lvl on its command line first.'
  return [refuse('wrong-architecture', summary, hint, { evidence: FIVE_LEVELS })]
}

/**
 * Legal where the CPU supports both, which no file shows: ID_AA64MMFR0_EL1 hides it. kexec_file_load knows and answers
 * EINVAL. kexec_load does not check, and a kernel on a CPU without that page size stops before its first message
 * (booting.rst).
 */
function checkPageSize({ image, way }: CheckedKernel, running: RunningMachine, refuse: Refuse): Remark[] {
  if (image.pageSize === null) return []
  const ownPages = `pages of ${formatBytes(image.pageSize)}`
  if (running.pageSize === null) {
    return [unchecked('page-size', `whether the machine supports ${ownPages}, which this kernel uses`)]
  }
  if (image.pageSize === running.pageSize) return []
  const differs = `this kernel uses ${ownPages} and the running one of ${formatBytes(running.pageSize)}`
  if (way.engine === 'file')
    return [warning('other-page-size', `${differs}: the running kernel refuses it if the CPU does not support both`)]
  if (way.tryAnyway)
    return [
      warning('other-page-size', `${differs}: where the CPU does not support both, it stops before its first message`),
    ]
  const summary = `${differs}: whether the CPU supports both is unknown, and kexec_load does not check it`
  const hint = `Choose a kernel with pages of ${formatBytes(running.pageSize)}; or, on a CPU that is known to support both, give ${flagName('try-anyway')}.`
  const evidence = running.evidence.filter(({ source }) => source.includes('AT_PAGESZ'))
  return [refuse('wrong-architecture', summary, hint, { evidence })]
}

function checkRelease({ image, way }: CheckedKernel, { series, architecture }: RunningMachine): Remark[] {
  if (way.engine !== 'file') return []
  const since = factsOf(architecture ?? '')?.fileLoadSince?.[image.format]
  if (since === undefined || series === null || series >= since) return []
  const text = `kexec_file_load takes the format ${image.format} on ${architecture} since Linux ${seriesName(since)}, and Linux ${seriesName(series)} is running`
  return [warning('format-too-new', text)]
}
