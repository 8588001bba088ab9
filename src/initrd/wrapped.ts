import type { ByteSource } from '../bytes/bytes.ts'
import { partOf } from '../bytes/bytes.ts'
import { uImage } from '../image/formats/uimage.ts'
import { mismatch, VerifiedPart } from '../image/unpack/verified.ts'

/** The content under U-Boot's header. */
export interface WrappedInitrd {
  /** The initrd alone. */
  readonly source: ByteSource
  /** Faults of the file, one sentence each. */
  readonly problems: readonly string[]
}

/**
 * The initrd in a U-Boot legacy image of the type ramdisk (`mkimage -T ramdisk`, /boot/uInitrd), whose header U-Boot
 * removes and no kernel does; null for any other file. Reads all of such a file, for its CRC.
 */
export async function unwrapInitrd(
  source: ByteSource,
  throwIfAborted: () => void = () => {},
): Promise<WrappedInitrd | null> {
  const head = source.read(0, 64)
  if (!uImage.recognise(head) || uImage.unpack === undefined) return null
  const { parts, problems } = uImage.unpack(source, {})
  const [part] = parts
  if (part?.kind !== 'initrd') return problems.length > 0 && isRamDisk(head) ? { source, problems } : null
  const inside = partOf(source, part.offset, part.length)
  const results = await new VerifiedPart(part, inside).compare(throwIfAborted)
  const wrong = results.flatMap(({ hash, matches }) => (matches === false ? [mismatch(hash, part)] : []))
  return { source: inside, problems: [...problems, ...wrong] }
}

/** The header's type, where no other field can be read: IH_TYPE_RAMDISK of include/image.h. */
function isRamDisk(head: Buffer): boolean {
  return head[30] === 3
}
