import { setImmediate } from 'node:timers/promises'
import { type ByteSource, fileBytes, partOf } from '../../bytes/bytes.ts'
import { DamagedStream, decompress } from '../../compression/decompress.ts'
import { KexecError } from '../../errors.ts'
import { MemoryFile } from '../../system/memory-file.ts'
import { androidVendorBoot } from '../formats/android.ts'
import { formatOf, HEAD_BYTES, inspectImage } from '../formats/inspect.ts'
import { VersionWatch } from '../model/banner.ts'
import type { Contents, ImagePart, ImagePartChoice, KernelImage } from '../model/image.ts'
import { innermost, type LocatedPart, MAX_NESTING } from './nested.ts'
import { VerifiedPart } from './verified.ts'

/** The limit for an unpacked part where its container does not give its size, in bytes. */
export const MAX_UNPACKED = 1024 * 1024 * 1024

/** Bytes copied at a time. */
const CHUNK = 1024 * 1024

export interface ExtractOptions extends ImagePartChoice {
  /** The descriptor whose whole content is `source`: returned as it is when nothing need be unpacked. */
  readonly fd?: number
  readonly signal?: AbortSignal
  /** For messages. */
  readonly path?: string
  /** The vendor_boot image that belongs to an Android boot image from version 3 on. */
  readonly vendorBoot?: ByteSource
  /** The most bytes that a kernel may unpack to, default MAX_UNPACKED. */
  readonly limit?: number
  /** Content that does not match its hashes is accepted; content that cannot be unpacked is still refused. */
  readonly ignoreDamage?: boolean
}

/** A kernel as the syscall takes it, and the other contents of its containers. */
export interface ExtractedKernel {
  /** The kernel alone: `options.fd` itself when the syscall takes the file, else a file in memory. */
  readonly fd: number
  /** Bytes of the kernel. */
  readonly size: number
  /** Whether `fd` is a file in memory. */
  readonly unpacked: boolean
  /** Microcode first, then initrds, in the order they are to be joined. */
  readonly initrds: readonly LocatedPart[]
  /** The container's own command line, or null. */
  readonly commandLine: string | null
  /** Device trees: one, with overlays after it; several where `compatible` chooses among a UKI's. */
  readonly deviceTrees: readonly LocatedPart[]
  readonly image: KernelImage
  /** From the file itself to the kernel. */
  readonly chain: readonly KernelImage[]
  readonly contents: readonly Contents[]
  /** Frees the memory; `options.fd` stays open. The parts can no longer be read. */
  close(): void
}

/**
 * Unpacks a kernel from its containers, into memory. Each payload is read and written once, and its hashes are verified
 * on the way. A file that is not a container comes back unchanged; `image` identifies it.
 * @throws KexecError 'not-a-kernel' where a container holds none, 'damaged-image', 'aborted', 'no-memory', 'io'
 */
export async function extractKernel(source: ByteSource, options: ExtractOptions = {}): Promise<ExtractedKernel> {
  const extraction = new Extraction(options)
  try {
    return await extraction.run(source)
  } catch (error) {
    extraction.close()
    throw asKexecError(error, options.path)
  }
}

/**
 * The bytes of a part, decompressed where `part.compression` says so, and verified against its hashes while they are
 * read. They must not be used before the last one has come. A chunk is valid until the next is requested.
 * @throws KexecError
 */
export async function* readPart(located: LocatedPart, options: ExtractOptions = {}): AsyncGenerator<Buffer> {
  try {
    const layer = new VerifiedPart(located.part, located.source)
    yield* unpackPart(located.part, layer, options)
    if (!options.ignoreDamage) await layer.verify(() => throwIfAborted(options.signal))
  } catch (error) {
    throw asKexecError(error, options.path)
  }
}

/** An image without a kernel in it, even where its bytes are undamaged. */
class NotUnpackable extends Error {}

class Extraction {
  readonly #options: ExtractOptions
  readonly #memories: MemoryFile[] = []
  readonly #chain: KernelImage[] = []
  readonly #contents: Contents[] = []
  readonly #parts: LocatedPart[] = []
  /** The number of parts that lie in the file or in the first of the memories, which are kept for them. */
  #keptParts = 0
  #kept = 0

  constructor(options: ExtractOptions) {
    this.#options = options
  }

  async run(file: ByteSource): Promise<ExtractedKernel> {
    const vendor = this.#vendorContents()
    const layers: VerifiedPart[] = []
    let source = file
    let fd = this.#options.fd
    const watch = new VersionWatch()
    for (;;) {
      throwIfAborted(this.#options.signal)
      const kernel = await this.#open(source)
      if (kernel === undefined) break
      const layer = new VerifiedPart(kernel.part, kernel.source)
      layers.push(layer)
      if (kernel.part.compression === null) {
        if (kernel.source.size !== source.size) fd = undefined
        source = layer
      } else {
        const memory = await this.#write(
          unpackPart(kernel.part, layer, { ...this.#options, limit: this.#left() }),
          watch,
        )
        await this.#verify(layers.splice(0))
        this.#release(memory)
        source = fileBytes(memory.file, memory.size)
        fd = memory.fd
      }
    }
    if (fd === undefined) fd = (await this.#write(pieces(source, this.#options.signal), watch)).fd
    await this.#verify(layers)
    return this.#result(fd, source.size, watch, vendor)
  }

  close(): void {
    for (const memory of this.#memories) memory.close()
  }

  async #verify(layers: readonly VerifiedPart[]): Promise<void> {
    if (this.#options.ignoreDamage) return
    for (const layer of layers) await layer.verify(() => throwIfAborted(this.#options.signal))
  }

  /** Bytes that may still be unpacked: nested layers share one limit, or six could take six times as much. */
  #left(): number {
    const used = this.#memories.reduce((sum, { size }) => sum + size, 0)
    return Math.max(0, (this.#options.limit ?? MAX_UNPACKED) - used)
  }

  /** Frees the layers before `memory`, unless initrds or device trees lie in them. */
  #release(memory: MemoryFile): void {
    if (this.#parts.length > this.#keptParts) this.#kept = this.#memories.length - 1
    this.#keptParts = this.#parts.length
    for (const each of this.#memories.splice(this.#kept)) if (each !== memory) each.close()
    this.#memories.push(memory)
  }

  /** The vendor's ramdisk lies before the generic one, and its command line too: "Vendor boot partitions" of Android's manual. */
  #vendorContents(): Contents | undefined {
    const { vendorBoot } = this.#options
    if (vendorBoot === undefined) return undefined
    const contents = androidVendorBoot.recognise(vendorBoot.read(0, 4096)) && androidVendorBoot.unpack?.(vendorBoot, {})
    if (!contents) throw new NotUnpackable('the file that was given as the vendor boot image is not one')
    const [problem] = contents.problems
    if (problem !== undefined) throw new DamagedStream(`the vendor boot image cannot be unpacked: ${problem}`)
    this.#parts.push(...contents.parts.filter(({ kind }) => kind !== 'other').map((part) => locate(vendorBoot, part)))
    return contents
  }

  /** Examines one layer. @returns the kernel in it, or undefined when it is itself the kernel */
  async #open(source: ByteSource): Promise<LocatedPart | undefined> {
    const head = source.read(0, HEAD_BYTES)
    const image = inspectImage(head, source.size, source)
    this.#chain.push(image)
    const contents = formatOf(head, source)?.unpack?.(source, this.#options)
    if (contents === undefined || image.format === 'device tree') return undefined
    this.#contents.push(contents)
    const kernel = contents.parts.find(({ kind }) => kind === 'kernel')
    const [problem] = [...contents.problems, ...image.problems]
    const isIgnored = this.#options.ignoreDamage && kernel !== undefined
    if (problem !== undefined && !isIgnored)
      throw new DamagedStream(`${image.description} cannot be unpacked: ${problem}`)
    if (kernel === undefined) throw new NotUnpackable(`${image.description} holds no kernel`)
    if (kernel.encryption !== null) throw new NotUnpackable(`the kernel in it is encrypted (${kernel.encryption})`)
    if (this.#chain.length >= MAX_NESTING) throw new NotUnpackable('it is nested more deeply than any kernel is')
    const located = contents.parts.map((part) => locate(source, part))
    for (const each of located) {
      if (each.part.kind !== 'other' || this.#options.ignoreDamage) continue
      await new VerifiedPart(each.part, each.source).verify(() => throwIfAborted(this.#options.signal))
    }
    this.#parts.push(...located.filter(({ part }) => part.kind !== 'kernel' && part.kind !== 'other'))
    return located.find(({ part }) => part === kernel)
  }

  async #write(chunks: AsyncIterable<Buffer>, watch: VersionWatch): Promise<MemoryFile> {
    const memory = new MemoryFile('linux-kexec-kernel', 'for the kernel')
    this.#memories.push(memory)
    for await (const chunk of chunks) {
      memory.write(chunk)
      watch.see(chunk)
    }
    return memory
  }

  #result(fd: number, size: number, { found }: VersionWatch, vendor: Contents | undefined): ExtractedKernel {
    const image = innermost(this.#chain)
    const own = this.#contents.find(({ commandLine }) => commandLine !== null)?.commandLine
    const ofKind = (...kinds: ImagePart['kind'][]) => this.#parts.filter(({ part }) => kinds.includes(part.kind))
    return {
      fd,
      size,
      unpacked: fd !== this.#options.fd,
      initrds: [...ofKind('microcode'), ...ofKind('initrd')],
      commandLine: [vendor?.commandLine, own].filter((text) => text != null).join(' ') || (own ?? null),
      deviceTrees: [...ofKind('device-tree'), ...ofKind('device-tree-overlay')],
      image: image.version === null && found !== undefined ? { ...image, ...found } : image,
      chain: this.#chain,
      contents: this.#contents,
      close: () => this.close(),
    }
  }
}

function locate(source: ByteSource, part: ImagePart): LocatedPart {
  return { part, source: partOf(source, part.offset, part.length) }
}

/** A part that was damaged after it was made is reported as such, rather than by the decompressor's error. */
async function* unpackPart(part: ImagePart, layer: VerifiedPart, options: ExtractOptions): AsyncGenerator<Buffer> {
  try {
    yield* unpackBytes(part, layer, options)
  } catch (error) {
    if (error instanceof DamagedStream) await layer.verify(() => throwIfAborted(options.signal))
    throw error
  }
}

async function* unpackBytes(part: ImagePart, source: ByteSource, options: ExtractOptions): AsyncGenerator<Buffer> {
  if (part.compression === null) {
    yield* pieces(source, options.signal)
    return
  }
  const limit = Math.min(options.limit ?? MAX_UNPACKED, part.unpackedSize ?? Number.POSITIVE_INFINITY)
  let size = 0
  for await (const chunk of decompress(part.compression, source, limit)) {
    throwIfAborted(options.signal)
    size += chunk.length
    yield chunk
    await setImmediate()
  }
  if (part.unpackedSize === null || size === part.unpackedSize) return
  throw new DamagedStream(`${part.name} unpacks to ${size} bytes where it says ${part.unpackedSize}`)
}

async function* pieces(source: ByteSource, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  for (let offset = 0; offset < source.size; ) {
    throwIfAborted(signal)
    const piece = source.read(offset, CHUNK)
    if (piece.length === 0) {
      const hint = 'Try again when nothing writes it any more.'
      throw new KexecError('the file shrank while it was read', { reason: 'file-changed', hint })
    }
    yield piece
    offset += piece.length
    await setImmediate()
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return
  throw new KexecError('interrupted while the kernel was unpacked; what was loaded before still is', {
    reason: 'aborted',
    cause: signal.reason,
  })
}

function asKexecError(error: unknown, path: string | undefined): unknown {
  const where = path === undefined ? {} : { path }
  if (error instanceof NotUnpackable) {
    return new KexecError(error.message, { reason: 'not-a-kernel', refused: true, ...where })
  }
  if (error instanceof DamagedStream) {
    const hint = 'Copy or make the image again.'
    return new KexecError(error.message, { reason: 'damaged-image', hint, refused: true, ...where })
  }
  const code = error instanceof KexecError ? undefined : (error as NodeJS.ErrnoException).code
  if (code === undefined) return error
  const reason = code === 'ENOMEM' || code === 'ENOSPC' ? 'no-memory' : 'io'
  return new KexecError('the kernel could not be unpacked into memory', { reason, code, cause: error, ...where })
}
