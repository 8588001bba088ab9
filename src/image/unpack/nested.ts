import { type ByteSource, memoryBytes, partOf } from '../../bytes/bytes.ts'
import { canDecompress, decompressHead } from '../../compression/decompress.ts'
import { formatOf, HEAD_BYTES, inspectImage } from '../formats/inspect.ts'
import type { Contents, ImageFormat, ImagePart, KernelImage, PartChoice } from '../model/image.ts'

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
  /** The chain once more, each with its bytes. */
  readonly layers: readonly Layer[]
  /** Bytes read of the file. */
  readonly bytesRead: number
}

/** One of a chain of images that hold each other. */
export interface Layer {
  readonly image: KernelImage
  readonly format: ImageFormat | undefined
  /** Its bytes; of what lies within something compressed, at most the first UNPACKED_HEAD. */
  readonly source: ByteSource
  /** Whether its bytes lie in the file as they are. */
  readonly isPlain: boolean
  /** Whether `source` has all of its bytes. */
  readonly isWhole: boolean
  /** What it holds of what was chosen; null for what holds nothing. */
  readonly contents: Contents | null
}

/**
 * Tells what a file is, and what kernel is in it, however nested. Reads the head, the tables of containers and the start of
 * what is compressed; the version line is found where it costs no unpacking of the whole.
 */
export async function inspectNested(source: ByteSource, choice: PartChoice = {}): Promise<NestedImage> {
  const counted = countReads(source)
  const layers: Layer[] = []
  let next: Pick<Layer, 'source' | 'isPlain' | 'isWhole'> | undefined = {
    source: counted.source,
    isPlain: true,
    isWhole: true,
  }
  while (next !== undefined && layers.length < MAX_NESTING) {
    const layer = readLayer(next, choice)
    layers.push(layer)
    next = await openInner(layer)
  }
  const chain = layers.map(({ image }) => image)
  return {
    image: innermost(chain),
    chain,
    contents: layers.flatMap(({ contents }) => contents ?? []),
    parts: layers.flatMap((layer) => (layer.isPlain ? locatedParts(layer) : [])),
    layers,
    bytesRead: counted.bytes(),
  }
}

function readLayer(where: Pick<Layer, 'source' | 'isPlain' | 'isWhole'>, choice: PartChoice): Layer {
  const { source, isWhole } = where
  const head = source.read(0, HEAD_BYTES)
  // Of what is only unpacked in part, no end is known.
  const image = inspectImage(head, isWhole ? source.size : Number.MAX_SAFE_INTEGER, source)
  const format = formatOf(head, source)
  const contents = image.format === 'device tree' ? null : (format?.unpack?.(source, choice) ?? null)
  return { ...where, image, format, contents }
}

function locatedParts({ source, contents }: Layer): LocatedPart[] {
  return (contents?.parts ?? []).map((part) => ({ part, source: partOf(source, part.offset, part.length) }))
}

/** The part of a layer that holds the kernel, or undefined. */
export function kernelPart(layer: Layer): LocatedPart | undefined {
  return locatedParts(layer).find(({ part }) => part.kind === 'kernel')
}

/** The bytes of the kernel that a layer holds, or their start; undefined where it holds none that can be unpacked. */
async function openInner(layer: Layer): Promise<Pick<Layer, 'source' | 'isPlain' | 'isWhole'> | undefined> {
  const kernel = kernelPart(layer)
  if (kernel === undefined) return undefined
  const { compression, encryption } = kernel.part
  if (encryption !== null) return undefined
  if (compression === null) return { ...layer, source: kernel.source }
  if (!canDecompress(compression)) return undefined
  const start = await decompressHead(compression, kernel.source, UNPACKED_HEAD)
  if (start.length === 0) return undefined
  return { source: memoryBytes(start), isPlain: false, isWhole: start.length < UNPACKED_HEAD }
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
