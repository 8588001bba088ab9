import type { ByteSource } from '../../bytes/bytes.ts'
import { hasParameter } from '../../cmdline/look-up.ts'
import { parseCommandLine } from '../../cmdline/parse.ts'
import { KexecError } from '../../errors.ts'
import type { ImageInput } from '../../image/inspect/input.ts'
import { type Examination, examine } from '../../image/inspect/inspection.ts'
import { type OpenImage, openInput } from '../../image/inspect/open.ts'
import type { Contents, ImagePart, ImagePartChoice, KernelImage } from '../../image/model/image.ts'
import { inspectNested, type LocatedPart } from '../../image/unpack/nested.ts'
import type { System } from '../../system/system.ts'
import { type UnifiedInput, type UnifiedKernel, unifiedKernel } from '../unified/unified-kernel.ts'

/** The file that holds the kernel, and the kernel in it: the same where nothing is nested. */
export interface PlannedKernel {
  readonly file: OpenImage
  /** The kernel that would run. */
  readonly image: KernelImage
  /** The chain from the file to the kernel. */
  readonly chain: readonly KernelImage[]
  /** The contents of each member of the chain that has any, outermost first. */
  readonly contents: readonly Contents[]
  /** Those parts of `contents` that can be read without unpacking anything. */
  readonly parts: readonly LocatedPart[]
  /** The result of reading all of it; null for an input without bytes. */
  readonly examination: Examination | null
  /** The choice among its parts. */
  readonly choice: ImagePartChoice
  /** The vendor_boot image that belongs to an Android boot image, and its contents; or null. */
  readonly vendor: VendorBoot | null
  /** The result of systemd-stub's choices for a unified kernel image and the files beside it; null for other images. */
  readonly unified: UnifiedKernel | null
}

export interface VendorBoot {
  readonly file: OpenImage
  readonly contents: Contents
  readonly parts: readonly LocatedPart[]
}

/** The names of a machine that booted with a device tree: NUL-terminated, the most specific first. */
const COMPATIBLE = '/sys/firmware/devicetree/base/compatible'

/**
 * Opens the kernel's file, looks into it through all its containers, and reads all of it once to know whether it is
 * whole.
 * @throws KexecError when it cannot be opened
 */
export async function openKernel(
  system: System,
  input: ImageInput,
  options: ImagePartChoice & {
    readonly vendorBoot?: ImageInput | undefined
    readonly signal?: AbortSignal | undefined
  },
): Promise<PlannedKernel> {
  const { signal, vendorBoot, ...wanted } = options
  const file = await openInput(system, input, { name: 'kernel', signal })
  let vendor: VendorBoot | null = null
  try {
    const compatible = system.readText(COMPATIBLE)?.split('\0').filter(Boolean) ?? []
    const choice = { ...wanted, compatible }
    if (vendorBoot !== undefined) vendor = await openVendorBoot(system, vendorBoot, signal)
    const known = { file, choice, vendor, unified: null, examination: null }
    // A file that is not a regular file has no bytes, but it has a name.
    if (file.size === 0) return { ...known, image: file.image, chain: [file.image], contents: [], parts: [] }
    const nested = await inspectNested(file.source, choice)
    const { chain, contents, parts } = nested
    const examination = await examine(file, nested, signal === undefined ? {} : { signal })
    const unified = chain[0]?.format === 'UKI' ? unifiedKernel(system, unifiedInput(file, input, choice)) : null
    return { ...known, image: examination.kernel, chain, contents, parts, examination, unified }
  } catch (error) {
    vendor?.file.close()
    file.close()
    throw error
  }
}

/** The files beside an image belong to it only where the image was named as a file. */
function unifiedInput({ source, path }: OpenImage, input: ImageInput, { profile }: ImagePartChoice): UnifiedInput {
  return { source, path: typeof input === 'string' ? path : null, profile: profile ?? null }
}

/**
 * @throws KexecError also 'invalid-argument' when it is not one
 */
async function openVendorBoot(system: System, input: ImageInput, signal: AbortSignal | undefined): Promise<VendorBoot> {
  const file = await openInput(system, input, { name: 'vendor boot image', signal })
  try {
    const { chain, contents, parts } = await inspectNested(file.source)
    const [own] = contents
    if (chain[0]?.format === 'Android vendor boot image' && own !== undefined) return { file, contents: own, parts }
    throw new KexecError(`this is ${file.image.description}, not a vendor boot image`, {
      reason: 'invalid-argument',
      path: file.path,
      hint: 'Give the vendor_boot image that was made together with the boot image.',
      refused: true,
    })
  } catch (error) {
    file.close()
    throw error
  }
}

/** The files that were opened for the kernel, the kernel's first. */
export function kernelFiles({ file, vendor, unified }: PlannedKernel): readonly OpenImage[] {
  return [file, ...(vendor === null ? [] : [vendor.file]), ...(unified?.files ?? [])]
}

export function closeKernel({ file, vendor, unified }: PlannedKernel): void {
  file.close()
  vendor?.file.close()
  unified?.close()
}

/**
 * Whether the kernel has to be unpacked before the syscall takes it, because it lies in a container, or only in memory.
 */
export function needsUnpacking({ file, chain }: PlannedKernel): boolean {
  return chain.length > 1 || file.fd === null
}

/** The bytes of a kernel that lies unpacked in its container or in its own file; else null. */
export function innerSource({ chain, parts, file }: PlannedKernel): ByteSource | null {
  if (chain.length === 1) return file.source
  const kernels = parts.filter(({ part }) => part.kind === 'kernel')
  const last = kernels.at(-1)
  return last !== undefined && last.part.compression === null && kernels.length === chain.length - 1
    ? last.source
    : null
}

/** The command line that the image brings, the vendor's part first; or null. */
export function ownCommandLine(kernel: PlannedKernel): string | null {
  const { contents, vendor, unified } = kernel
  if (unified !== null) return unified.commandLine
  const own = contents.find(({ commandLine }) => commandLine !== null)?.commandLine ?? null
  const isAsked = hasParameter(parseCommandLine(`${vendor?.contents.commandLine ?? ''} ${own ?? ''}`), BOOTCONFIG)
  const added = bootconfigOf(kernel) === null || isAsked ? null : BOOTCONFIG
  if (!vendor?.contents.commandLine && added === null) return own
  return [added, vendor?.contents.commandLine, own].filter(Boolean).join(' ')
}

/** Without this word the kernel does not look for a boot configuration: Documentation/admin-guide/bootconfig.rst. */
export const BOOTCONFIG = 'bootconfig'

/** The boot configuration that the vendor boot image brings, or null. */
export function bootconfigOf({ vendor }: PlannedKernel): LocatedPart | null {
  return vendor?.parts.find(({ part }) => part.kind === 'bootconfig') ?? null
}

/** Parts of one kind that the image brings, in their order of precedence; the vendor's first. */
export function ownParts({ contents, vendor }: PlannedKernel, ...kinds: readonly ImagePart['kind'][]): ImagePart[] {
  const all = [...(vendor === null ? [] : [vendor.contents]), ...contents]
  return kinds.flatMap((kind) => all.flatMap(({ parts }) => parts.filter((part) => part.kind === kind)))
}

/** A part's bytes, where they can be read without unpacking anything. */
export function partSource({ parts, vendor }: PlannedKernel, wanted: ImagePart): ByteSource | undefined {
  return [...(vendor?.parts ?? []), ...parts].find(({ part }) => part === wanted)?.source
}

/** The name of a part in plans: the file, then its own name. */
export function partName({ file, vendor }: PlannedKernel, part: ImagePart): string {
  const holder = vendor?.contents.parts.includes(part) ? vendor.file : file
  return `${holder.path}:${part.name}`
}
