import { setImmediate } from 'node:timers/promises'
import { type ByteSource, partOf } from '../../bytes/bytes.ts'
import { canDecompress, DamagedStream, decompress } from '../../compression/decompress.ts'
import { endsWithTrailer } from '../formats/linux-images.ts'
import { type ZImagePayload, zImagePayload } from '../formats/zimage.ts'
import { VersionWatch } from '../model/banner.ts'
import { checkSum } from '../model/bzimage-checksum.ts'
import { type ImagePart, imagePart } from '../model/image.ts'
import type { SetupHeader } from '../model/setup-header.ts'
import { MAX_UNPACKED } from '../unpack/extract.ts'
import { kernelPart, type Layer } from '../unpack/nested.ts'
import { mismatch, unknownHash, VerifiedPart } from '../unpack/verified.ts'

/** A check that can detect damage: a hash, a CRC, the checks of a compressed stream. */
export interface IntegrityCheck {
  /** Its layer: an index into `nested`. */
  readonly layer: number
  /** Its coverage: the name of a part; null for all of the layer. */
  readonly part: string | null
  /** 'crc32', 'sha256', …; for unpacking with its built-in checks, the name of the compression. */
  readonly by: string
  /**
   * null when it could not be made, or says nothing. For a compression: whether it unpacks. The kernel's own kinds of
   * lzma and lz4 (`lz4 -l`) have no check but their size.
   */
  readonly passed: boolean | null
  /** Why it did not pass, or was not made; one sentence. */
  readonly problem: string | null
}

/** The result of reading everything. */
export interface Integrity {
  readonly checks: readonly IntegrityCheck[]
  /** The unpacked kernel of the first compressed layer; null where nothing was unpacked, or it is damaged. */
  readonly unpackedSize: number | null
  /** Found in the unpacked bytes. */
  readonly version: VersionWatch['found']
}

/**
 * Reads all of an image once and makes every available check. Keeps none of its bytes.
 * @param isVouched whether a signature covers the kernel's bytes, so that they need not be unpacked to verify them
 * @throws Node's error of read(2), and the error of `throwIfAborted`
 */
export async function checkIntegrity(
  layers: readonly Layer[],
  isVouched: boolean,
  throwIfAborted: () => void,
): Promise<Integrity> {
  const reading = new Reading(throwIfAborted)
  for (const [index, layer] of layers.entries()) await reading.check(layer, index)
  const last = layers.at(-1)
  const index = layers.length - 1
  if (last?.isPlain && last.image.setupHeader) {
    await reading.checkBzImage(last, index, last.image.setupHeader, isVouched)
  } else if (last?.isPlain && last.image.format === 'ARM zImage') await reading.checkZImage(last, index)
  else if (last?.isPlain && last.image.format === 's390 Image') reading.checkTrailer(last, index)
  return reading
}

class Reading implements Integrity {
  readonly checks: IntegrityCheck[] = []
  unpackedSize: number | null = null
  readonly #watch = new VersionWatch()
  readonly #throwIfAborted: () => void

  constructor(throwIfAborted: () => void) {
    this.#throwIfAborted = throwIfAborted
  }

  get version(): VersionWatch['found'] {
    return this.#watch.found
  }

  /** All parts of a container, and the chosen kernel to its end, if it is compressed. */
  async check(layer: Layer, index: number): Promise<void> {
    const { image, format, source, contents } = layer
    if (contents === null) return
    if (image.format === 'uImage') this.checks.push(headerCheck(layer, index))
    const listed = format?.list?.(source).parts ?? contents.parts
    const chosen = kernelPart(layer)?.part
    let left = source.size * 2
    for (const part of listed) {
      const isChosen = part.name === chosen?.name && part.offset === chosen.offset
      const isCompressedKernel = isChosen && part.compression !== null && part.encryption === null && layer.isPlain
      // Parts may overlap, and each of a hundred may be as large as the file.
      left -= part.hashes.length > 0 ? part.length : 0
      if (!layer.isPlain || left < 0)
        this.checks.push(...part.hashes.map((hash) => unchecked(index, part, hash.algorithm)))
      else
        await this.#checkPart(
          part,
          new VerifiedPart(part, partOf(source, part.offset, part.length)),
          index,
          isCompressedKernel,
        )
    }
  }

  async #checkPart(part: ImagePart, bytes: VerifiedPart, layer: number, isKernel: boolean): Promise<void> {
    const stream = isKernel ? await this.#unpack(part, bytes, layer) : undefined
    for (const { hash, matches } of await bytes.compare(this.#throwIfAborted)) {
      const problem = matches === null ? unknownHash(hash, part) : matches ? null : mismatch(hash, part)
      this.checks.push({ layer, part: part.name, by: hash.algorithm, passed: matches, problem })
    }
    if (stream === undefined) return
    this.checks.push(stream.check)
    this.unpackedSize = stream.size
  }

  async #unpack(
    part: ImagePart,
    source: ByteSource,
    layer: number,
  ): Promise<{ check: IntegrityCheck; size: number | null }> {
    const by = part.compression as string
    const check = { layer, part: part.name, by }
    if (!canDecompress(by)) {
      return { check: { ...check, passed: null, problem: `${by} compression is not supported` }, size: null }
    }
    const { size, damage } = await this.#measure(by, source, part.unpackedSize)
    if (damage === null) return { check: { ...check, passed: true, problem: null }, size }
    return {
      check: { ...check, passed: false, problem: `${nameOf(part)} cannot be unpacked: ${damage}` },
      size: null,
    }
  }

  /** Unpacks without keeping the result. @returns its size in bytes, and its damage, or null */
  async #measure(
    compression: string,
    source: ByteSource,
    expected: number | null,
  ): Promise<{ size: number; damage: string | null }> {
    let size = 0
    try {
      for await (const chunk of decompress(compression, source, Math.min(expected ?? MAX_UNPACKED, MAX_UNPACKED))) {
        this.#throwIfAborted()
        size += chunk.length
        this.#watch.see(chunk)
        await setImmediate()
      }
    } catch (error) {
      if (!(error instanceof DamagedStream)) throw error
      return { size, damage: error.message }
    }
    if (expected === null || size === expected) return { size, damage: null }
    return { size, damage: `it unpacks to ${size} bytes where it says ${expected}` }
  }

  /**
   * The CRC at the end of kernels before 6.16. Where there is neither that nor a signature, the compressed data inside.
   */
  async checkBzImage(layer: Layer, index: number, header: SetupHeader, isVouched: boolean): Promise<void> {
    const whole = { layer: index, part: null, by: 'crc32' }
    const sum = await checkSum(layer.source, header, layer.image.version, this.#throwIfAborted)
    if (sum !== null)
      this.checks.push({ ...whole, passed: sum || (isVouched ? null : false), problem: sum ? null : wrongSum })
    const { payload } = header
    const end = payload === null ? 0 : payload.offset + payload.length
    if (sum === true || isVouched || payload?.compression == null || end > Math.min(layer.source.size, header.end))
      return
    // The build puts the size behind the compressed data, except where the stream ends with it.
    const length = payload.length - (payload.compression === 'gzip' ? 0 : 4)
    const unpackedSize = layer.source.read(end - 4, 4).readUInt32LE(0)
    const { offset, compression } = payload
    await this.#checkPayload(layer, index, { offset, length, compression, unpackedSize })
  }

  /** The compressed data in a zImage, which has the version line, too. */
  async checkZImage({ image, source, ...layer }: Layer, index: number): Promise<void> {
    const payload = source.size < (image.minimumSize ?? 0) ? null : zImagePayload(source)
    if (payload !== null) await this.#checkPayload({ image, source, ...layer }, index, payload)
  }

  async #checkPayload({ source }: Layer, index: number, payload: ZImagePayload): Promise<void> {
    const part = imagePart({ kind: 'other', name: 'payload', ...payload })
    const { check } = await this.#unpack(part, partOf(source, payload.offset, payload.length), index)
    this.checks.push(check)
  }

  /** An appended signature covers all of it by itself. */
  checkTrailer({ image, source }: Layer, index: number): void {
    if (image.signature === 'present') return
    const passed = endsWithTrailer(source, image.version)
    if (passed === null) return
    this.checks.push({ layer: index, part: null, by: 'trailer', passed, problem: passed ? null : noTrailer })
  }
}

const noTrailer = 'it does not end with the trailer of kernels for s390x: it was cut off'

const wrongSum = 'the CRC-32 at its end does not match: it is damaged, or was changed after it was built'

/** A compressed file has one part, which is the whole file. */
function nameOf({ name }: ImagePart): string {
  if (name === 'content') return 'it'
  return name === 'payload' ? 'the kernel in it' : `its part ${name}`
}

/** The CRC of a uImage's own header, which the format reads at once. */
function headerCheck({ image }: Layer, layer: number): IntegrityCheck {
  const problem = image.problems.find((each) => each.includes('CRC of its header')) ?? null
  return { layer, part: 'header', by: 'crc32', passed: problem === null, problem }
}

function unchecked(layer: number, part: ImagePart, by: string): IntegrityCheck {
  const problem = `the ${by} of its part ${part.name} was not computed: it lies in something compressed, or over other parts`
  return { layer, part: part.name, by, passed: null, problem }
}
