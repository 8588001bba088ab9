import {
  type Contents,
  type ImageInput,
  type ImagePart,
  inspectNested,
  type KernelImage,
  type LocatedPart,
  type OpenImage,
  openInput,
  type PartChoice,
} from '../image/index.ts'
import type { System } from '../system/system.ts'

/** The file that holds the kernel, and the kernel in it: the same where nothing is nested. */
export interface PlannedKernel {
  readonly file: OpenImage
  /** The kernel that would run. */
  readonly image: KernelImage
  /** From the file to the kernel. */
  readonly chain: readonly KernelImage[]
  /** What each of the chain holds that holds anything, outermost first. */
  readonly contents: readonly Contents[]
  /** Those parts of `contents` that can be read without unpacking anything. */
  readonly parts: readonly LocatedPart[]
  /** What of them is wanted. */
  readonly choice: PartChoice
}

/** Where a machine that booted with a device tree says what it is: NUL-terminated names, the most specific first. */
const COMPATIBLE = '/sys/firmware/devicetree/base/compatible'

/**
 * Opens the kernel's file and looks into it, however nested: reads heads and tables only.
 * @throws KexecError when it cannot be opened
 */
export async function openKernel(
  system: System,
  input: ImageInput,
  options: PartChoice & { readonly signal?: AbortSignal | undefined },
): Promise<PlannedKernel> {
  const { signal, ...wanted } = options
  const file = await openInput(system, input, { name: 'kernel', signal })
  try {
    const compatible = system.readText(COMPATIBLE)?.split('\0').filter(Boolean) ?? []
    const choice = { ...wanted, compatible }
    // What is no regular file has no bytes, but a name.
    if (file.size === 0) return { file, image: file.image, chain: [file.image], contents: [], parts: [], choice }
    const { image, chain, contents, parts } = await inspectNested(file.source, choice)
    return { file, image, chain, contents, parts, choice }
  } catch (error) {
    file.close()
    throw error
  }
}

/** Whether the kernel has to be unpacked before the syscall takes it: it lies in a container, or only in memory. */
export function needsUnpacking({ file, chain }: PlannedKernel): boolean {
  return chain.length > 1 || file.fd === null
}

/** The command line that the image brings, or null. */
export function ownCommandLine({ contents }: PlannedKernel): string | null {
  return contents.find(({ commandLine }) => commandLine !== null)?.commandLine ?? null
}

/** Parts of one kind that the image brings, in the order they count. */
export function ownParts({ contents }: PlannedKernel, ...kinds: readonly ImagePart['kind'][]): ImagePart[] {
  return kinds.flatMap((kind) => contents.flatMap(({ parts }) => parts.filter((part) => part.kind === kind)))
}

/** How a part is called in plans: the file, then its own name. */
export function partName({ file }: PlannedKernel, part: ImagePart): string {
  return `${file.path}:${part.name}`
}
