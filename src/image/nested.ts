import { type ByteSource, memoryBytes, partOf } from './bytes.ts'
import { canDecompress, decompressHead } from './compression/decompress.ts'
import type { Contents, ImagePart, KernelImage, PartChoice } from './image.ts'
import { formatOf, HEAD_BYTES, inspectImage } from './inspect.ts'

/** How much of a compressed kernel is unpacked to know what it is, bytes: s390's parameters lie at 65 KiB. */
const UNPACKED_HEAD = 256 * 1024

/** Containers within containers: more than a uImage of a FIT of an Image.gz. */
export const MAX_NESTING = 6

/** What a file is, with what is in it. */
export interface NestedImage {
  /** The kernel at the innermost. */
  readonly image: KernelImage
  /** From the file itself to `image`; one element where nothing is nested. */
  readonly chain: readonly KernelImage[]
  /** What each of the chain holds that holds anything, outermost first. */
  readonly contents: readonly Contents[]
  /** Those parts of `contents` that lie in the file as they are, not within something compressed. */
  readonly parts: readonly LocatedPart[]
  /** Bytes read of the file. */
  readonly bytesRead: number
}

/**
 * Tells what a file is, and what kernel is in it, however nested. Reads the head, the tables of containers and the start of
 * what is compressed; the version line is found where it costs no unpacking of the whole.
 */
export async function inspectNested(source: ByteSource, choice: PartChoice = {}): Promise<NestedImage> {
  const counted = countReads(source)
  const chain: KernelImage[] = []
  const contents: Contents[] = []
  const parts: LocatedPart[] = []
  let isPlain = true
  let current: ByteSource = counted.source
  let whole = true
  while (chain.length < MAX_NESTING) {
    const head = current.read(0, HEAD_BYTES)
    // Of what is only unpacked in part, no end is known.
    const image = inspectImage(head, whole ? current.size : Number.MAX_SAFE_INTEGER, current)
    chain.push(image)
    const inner = formatOf(head, current)?.unpack?.(current, choice)
    if (inner === undefined || image.format === 'device tree') break
    contents.push(inner)
    const here = current
    if (isPlain) parts.push(...inner.parts.map((part) => ({ part, source: partOf(here, part.offset, part.length) })))
    const kernel = inner.parts.find(({ kind }) => kind === 'kernel')
    if (kernel === undefined) break
    const part = partOf(current, kernel.offset, kernel.length)
    if (kernel.compression === null) {
      current = part
      continue
    }
    if (!canDecompress(kernel.compression)) break
    const start = await decompressHead(kernel.compression, part, UNPACKED_HEAD)
    if (start.length === 0) break
    whole = start.length < UNPACKED_HEAD
    isPlain = false
    current = memoryBytes(start)
  }
  return { image: innermost(chain), chain, contents, parts, bytesRead: counted.bytes() }
}

/** The kernel inside, with what only its containers tell. */
export function innermost(chain: readonly KernelImage[]): KernelImage {
  const image = chain.at(-1) as KernelImage
  const told = <Key extends 'version' | 'versionString' | 'architecture'>(key: Key) =>
    image[key] ?? chain.findLast((each) => each[key] !== null)?.[key] ?? null
  return {
    ...image,
    architecture: told('architecture'),
    version: told('version'),
    versionString: told('versionString'),
  }
}

/** A part, and the bytes it is a part of. */
export interface LocatedPart {
  readonly part: ImagePart
  /** The part's own bytes, as they lie there. */
  readonly source: ByteSource
}

function countReads(source: ByteSource): { source: ByteSource; bytes: () => number } {
  let bytes = 0
  const read = (offset: number, length: number) => {
    const buffer = source.read(offset, length)
    bytes += buffer.length
    return buffer
  }
  return { source: { size: source.size, read }, bytes: () => bytes }
}
