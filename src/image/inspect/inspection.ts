import { machine } from 'node:os'
import { heed } from '../../abort.ts'
import { KexecError } from '../../errors.ts'
import { readArchitecture } from '../../system/architecture.ts'
import { System } from '../../system/system.ts'
import { asVmlinux } from '../formats/elf.ts'
import { HEAD_BYTES } from '../formats/inspect.ts'
import { findVersion, isComplete, type Version } from '../model/banner.ts'
import { engineFor } from '../model/engines.ts'
import type { Configuration, ImagePart, KernelImage, PartChoice } from '../model/image.ts'
import { readSetupHeader } from '../model/setup-header.ts'
import type { SignatureReport } from '../signature/cms/report.ts'
import { innermost, inspectNested, kernelPart, type Layer, type NestedImage } from '../unpack/nested.ts'
import { type Conclusion, engineOn, type InspectedEngine, verdictOf } from './conclusion.ts'
import { type Damage, damageOf } from './damage.ts'
import { checkIntegrity, type Integrity, type IntegrityCheck } from './integrity.ts'
import { type ImageInput, type OpenImage, openInput } from './open.ts'
import { type FileSignatures, fileSignatures } from './signatures.ts'

export interface InspectOptions extends PartChoice {
  /** The machine whose files are meant by paths; default the running one. */
  readonly system?: System
  /** The machine that is to load it, as `uname -m` prints it; default that of `system`, else the running one. */
  readonly machine?: string
  /** Certificates (DER) under which a signature is checked that brings none, as those on kernel modules. */
  readonly certificates?: readonly Buffer[]
  readonly signal?: AbortSignal
}

/** All that a file tells: the fields of a KernelImage are those of the file itself. Plain data. */
export interface Inspection extends KernelImage, Conclusion {
  /** Of what came without one, what to call it: '(bytes)', '(stream)'. */
  readonly path: string
  /** Bytes. */
  readonly size: number
  /** From the file itself to the kernel inside; one element where nothing is nested. */
  readonly nested: readonly KernelImage[]
  /** The last of them, with what only its containers or its unpacked bytes tell. */
  readonly kernel: KernelImage
  /** Bytes that the syscall would be given: the kernel, unpacked from whatever holds it; null when that is not known. */
  readonly kernelSize: number | null
  /** Which engine loads it on this machine. */
  readonly engine: InspectedEngine
  /** What the containers hold, all of it. */
  readonly parts: readonly InspectedPart[]
  /** FIT configurations or profiles of a UKI, with `layer`: an index into `nested`. */
  readonly configurations: readonly (Configuration & { readonly layer: number })[]
  /** The command line that the outermost container with one brings, of the configuration that was chosen; or null. */
  readonly commandLine: string | null
  /** Everything by which damage would be seen. */
  readonly checks: readonly IntegrityCheck[]
  /** What is wrong with the bytes, one sentence each. */
  readonly damage: readonly string[]
  /** Of the file. */
  readonly signatures: FileSignatures
  /** Of the kernel, where it lies in the file as it is: what a kernel that wants signatures looks at. Else null. */
  readonly kernelSignatures: SignatureReport | null
}

/** A part of a container, with `layer`: an index into `nested`. */
export type InspectedPart = ImagePart & { readonly layer: number }

/**
 * Tells all that can be known of a kernel image without loading it: what it is, and what is in it; whether its hashes, its
 * compressed streams and its signatures hold; what loads it. Reads all of it, which for a compressed kernel takes as long as
 * unpacking it; `inspectFile` reads the head alone. Needs no privilege; keeps nothing.
 * @param input a path, bytes, an open file or a stream
 * @throws KexecError 'not-found', 'not-readable', 'io', 'aborted'; any bytes are answered
 */
export async function inspect(input: ImageInput, options: InspectOptions = {}): Promise<Inspection> {
  const { system = new System(), signal, ...choice } = options
  heed(signal)
  const file = await openInput(system, input, { name: 'kernel', signal })
  try {
    const { source, stats } = file
    const nested = await inspectNested(source, choice)
    const examined = await examine(file, nested, options)
    const { layers, kernel, kernelSize, integrity, signatures, kernelSignatures } = examined
    // What is no regular file has no bytes, and would be told an empty file.
    const isEmptied = stats?.isFile() === false
    const nestedImages = isEmptied ? [file.image] : layers.map(({ image }) => image)
    const shown = isEmptied ? file.image : kernel
    const engine = engineOn(options.machine ?? readArchitecture(system) ?? machine(), shown)
    return {
      path: file.path,
      size: file.size,
      ...verdictOf(nestedImages, shown, examined.damage, engine),
      ...(nestedImages[0] as KernelImage),
      nested: nestedImages,
      kernel: shown,
      kernelSize,
      engine,
      ...listingOf(layers),
      commandLine: nested.contents.find(({ commandLine }) => commandLine !== null)?.commandLine ?? null,
      checks: integrity.checks,
      damage: examined.damage.map(({ problem }) => problem),
      signatures,
      kernelSignatures,
    }
  } catch (error) {
    throw asKexecError(error, file.path, signal)
  } finally {
    file.close()
  }
}

/** What reading all of an image tells: `inspect` shows it, and `plan` refuses by it, so that the two never disagree. */
export interface Examination {
  /** From the file to the kernel, with what only reading on tells. */
  readonly layers: readonly Layer[]
  /** The kernel at the innermost. */
  readonly kernel: KernelImage
  /** Its bytes, unpacked; null when that is not known. */
  readonly kernelSize: number | null
  readonly integrity: Integrity
  readonly damage: readonly Damage[]
  /** Of the file. */
  readonly signatures: FileSignatures
  /** Of the kernel, where it lies in the file as it is; else null. */
  readonly kernelSignatures: SignatureReport | null
}

/**
 * Reads all of an image, and checks whatever there is to check it by.
 * @param nested of the file
 * @throws KexecError 'io', 'aborted'
 */
export async function examine(
  { path, fd, stats }: OpenImage,
  nested: NestedImage,
  options: Pick<InspectOptions, 'certificates' | 'signal'>,
): Promise<Examination> {
  try {
    return await readAll(nested, stats?.isFile() ? fd : null, options)
  } catch (error) {
    throw asKexecError(error, path, options.signal)
  }
}

/** @param fd whose security.ima is told; null for what can have none */
async function readAll(
  nested: NestedImage,
  fd: number | null,
  options: Pick<InspectOptions, 'certificates' | 'signal'>,
): Promise<Examination> {
  const { signal } = options
  const layers = nested.layers.map(completed)
  const { source } = layers[0] as Layer
  const signatures = await fileSignatures(source, fd, options)
  const kernelSignatures = await kernelSignaturesOf(layers, options)
  const reports: readonly SignatureReport[] = kernelSignatures === null ? [signatures] : [signatures, kernelSignatures]
  // A signature of the file covers whatever lies in it as it is.
  const isVouched = reports.some((report) => report.signatures.some(({ digestMatches }) => digestMatches === true))
  const integrity = await checkIntegrity(layers, isVouched, () => signal?.throwIfAborted())
  const kernel = kernelOf(
    layers.map(({ image }) => image),
    layers,
    integrity,
  )
  const kernelSize = kernelSizeOf(layers, integrity.unpackedSize)
  const damage = damageOf(layers, kernelSize, integrity, reports)
  return { layers, kernel, kernelSize, integrity, damage, signatures, kernelSignatures }
}

/** How far the version line is looked for in an uncompressed kernel, bytes. */
const SEARCHED = 64 * 1024 * 1024

/** What a bzImage has behind its head is read only here. */
function completed(layer: Layer): Layer {
  const { image, source, isWhole } = layer
  if (image.setupHeader === null || !isWhole) return layer
  return { ...layer, image: { ...image, setupHeader: readSetupHeader(source.read(0, HEAD_BYTES), source) } }
}

async function kernelSignaturesOf(layers: readonly Layer[], options: InspectOptions): Promise<SignatureReport | null> {
  const last = layers.at(-1)
  if (last === undefined || layers.length === 1 || !last.isPlain) return null
  const { inspectSignatures } = await import('../signature/inspect.ts')
  return inspectSignatures(last.source, options)
}

/** The version line of a vmlinux lies beyond what is unpacked of it to know what it is. */
function kernelOf(nested: readonly KernelImage[], layers: readonly Layer[], integrity: Integrity): KernelImage {
  const image = innermost(nested)
  const version = integrity.version ?? completeVersion(image, layers.at(-1))
  if (version === undefined) return image
  if (image.format === 'ELF' || image.format === 'vmlinux') return asVmlinux(image, version)
  // Of what is no kernel, such as an initrd, it would be that of something in it.
  return engineFor(image).engine === 'none' || image.setupHeader !== null ? image : { ...image, ...version }
}

/** The version line with its build number, where the first one that was found has none. */
function completeVersion({ versionString, version }: KernelImage, layer: Layer | undefined): Version | undefined {
  if (versionString === null || version === null || isComplete({ version, versionString })) return undefined
  return layer?.isPlain ? findVersion(layer.source, 0, Math.min(layer.source.size, SEARCHED), isComplete) : undefined
}

/** Bytes of the last layer: its own where they lie in the file, else those that were unpacked. */
function kernelSizeOf(layers: readonly Layer[], unpackedSize: number | null): number | null {
  const last = layers.at(-1) as Layer
  // What holds something that could not be opened is no kernel.
  if (kernelPart(last) !== undefined) return null
  if (last.isPlain || last.isWhole) return last.source.size
  const packing = layers.findIndex(({ isPlain }) => !isPlain)
  if (packing === layers.length - 1) return unpackedSize
  // Within what was unpacked, another container may tell.
  return null
}

function listingOf(layers: readonly Layer[]): Pick<Inspection, 'parts' | 'configurations'> {
  const listings = layers.map(({ format, source, contents, isWhole }, layer) => {
    const listing = isWhole ? format?.list?.(source) : undefined
    const { parts, configurations } = listing ?? { parts: contents?.parts ?? [], configurations: [] }
    return {
      parts: parts.map((part) => ({ layer, ...part })),
      configurations: configurations.map((each) => ({ layer, ...each })),
    }
  })
  return {
    parts: listings.flatMap(({ parts }) => parts),
    configurations: listings.flatMap(({ configurations }) => configurations),
  }
}

function asKexecError(error: unknown, path: string, signal: AbortSignal | undefined): unknown {
  if (error instanceof KexecError) return error
  if (signal?.aborted) {
    return new KexecError('interrupted while the image was read', { reason: 'aborted', path, cause: signal.reason })
  }
  const code = (error as NodeJS.ErrnoException).code
  if (code === undefined) return error
  return new KexecError('the file could not be read', { reason: 'io', code, path, cause: error, refused: true })
}
