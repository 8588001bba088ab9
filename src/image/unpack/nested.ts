import { type ByteSource, memoryBytes, partOf } from '../../bytes/bytes.ts'
import { canDecompress, decompressHead } from '../../compression/decompress.ts'
import { formatOf, HEAD_BYTES, inspectImage } from '../formats/inspect.ts'
import type { Contents, ImageFormat, ImagePart, ImagePartChoice, KernelImage } from '../model/image.ts'

/** How much of a compressed kernel is unpacked to identify it, in bytes: s390's parameters lie at 65 KiB. */
const UNPACKED_HEAD = 256 * 1024

/** The most nested containers: more than a uImage of a FIT of an Image.gz. */
export const MAX_NESTING = 6

/** The kind of a file, and its contents. */
export interface NestedImage {
  /** The innermost kernel. */
  readonly image: KernelImage
  /** From the file itself to `image`; one element where nothing is nested. */
  readonly chain: readonly KernelImage[]
  /** The contents of each member of the chain that has any, outermost first. */
  readonly contents: readonly Contents[]
  /** The parts of `contents` that lie uncompressed in the file. */
  readonly parts: readonly LocatedPart[]
  /** The same chain, each with its bytes. */
  readonly layers: readonly Layer[]
  /** Bytes read from the file. */
  readonly bytesRead: number
}

/** One of a chain of nested images. */
export interface Layer {
  readonly image: KernelImage
  readonly format: ImageFormat | undefined
  /** Its bytes; for an image within compressed data, at most the first UNPACKED_HEAD. */
  readonly source: ByteSource
  /** Whether its bytes lie uncompressed in the file. */
  readonly isPlain: boolean
  /** Whether `source` has all of its bytes. */
  readonly isWhole: boolean
  /** Its contents for the choice made; null for an image without contents. */
  readonly contents: Contents | null
}

/**
 * Identifies a file and the kernel in it, through all its containers. Reads the head, the tables of containers and the
 * start of compressed data; the version line is found where that does not require unpacking the whole.
 */
export async function inspectNested(source: ByteSource, choice: ImagePartChoice = {}): Promise<NestedImage> {
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

function readLayer(where: Pick<Layer, 'source' | 'isPlain' | 'isWhole'>, choice: ImagePartChoice): Layer {
  const { source, isWhole } = where
  const head = source.read(0, HEAD_BYTES)
  // The end of a partly unpacked image is unknown.
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

/** The bytes of a layer's kernel, or their start; undefined where it has none that can be unpacked. */
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

/** The inner kernel, with the facts that only its containers show. */
export function innermost(chain: readonly KernelImage[]): KernelImage {
  const image = chain.at(-1) as KernelImage
  const shown = <Key extends 'version' | 'versionString' | 'architecture'>(key: Key) =>
    image[key] ?? chain.findLast((each) => each[key] !== null)?.[key] ?? null
  return {
    ...image,
    architecture: shown('architecture'),
    version: shown('version'),
    versionString: shown('versionString'),
  }
}

/** A part, and the bytes that contain it. */
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
