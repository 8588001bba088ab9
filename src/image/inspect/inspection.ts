import { machine } from 'node:os'
import { heed } from '../../abort.ts'
import { KexecError } from '../../errors.ts'
import { readArchitecture } from '../../system/architecture.ts'
import { System } from '../../system/system.ts'
import { asVmlinux } from '../formats/elf.ts'
import { HEAD_BYTES } from '../formats/inspect.ts'
import { findVersion, isComplete, type Version } from '../model/banner.ts'
import { engineFor } from '../model/engines.ts'
import type { ImageConfiguration, ImagePart, ImagePartChoice, KernelImage } from '../model/image.ts'
import { readSetupHeader } from '../model/setup-header.ts'
import type { SignatureReport } from '../signature/cms/report.ts'
import { innermost, inspectNested, kernelPart, type Layer, type NestedImage } from '../unpack/nested.ts'
import { type Conclusion, engineOn, type InspectedEngine, verdictOf } from './conclusion.ts'
import { type Damage, damageOf } from './damage.ts'
import type { ImageInput } from './input.ts'
import { checkIntegrity, type Integrity, type IntegrityCheck } from './integrity.ts'
import { type OpenImage, openInput } from './open.ts'
import { type FileSignatures, fileSignatures } from './signatures.ts'

export interface InspectionRequest extends ImagePartChoice {
  /** The machine that paths refer to; default the running one. */
  readonly system?: System
  /** The machine that would load it, as `uname -m` prints it; default that of `system`, else the running one. */
  readonly machine?: string
  /** Certificates (DER) for checking a signature that carries none, such as those on kernel modules. */
  readonly certificates?: readonly Uint8Array[]
  readonly signal?: AbortSignal
}

/** All facts about a file: the fields of a KernelImage are those of the file itself. Plain data. */
export interface Inspection extends KernelImage, Conclusion {
  /** The path; for an input without one '(bytes)' or '(stream)'. */
  readonly path: string
  /** Bytes. */
  readonly size: number
  /** From the file itself to the kernel inside; one element where nothing is nested. */
  readonly nested: readonly KernelImage[]
  /** The last of them, with the facts that only its containers or its unpacked bytes show. */
  readonly kernel: KernelImage
  /** Bytes that the syscall would get: the kernel, unpacked from its containers; null when unknown. */
  readonly kernelSize: number | null
  /** The engine that loads it on this machine. */
  readonly engine: InspectedEngine
  /** All contents of the containers. */
  readonly parts: readonly InspectedPart[]
  /** FIT configurations or profiles of a UKI, with `layer`: an index into `nested`. */
  readonly configurations: readonly (ImageConfiguration & { readonly layer: number })[]
  /** The command line of the outermost container that has one, in the chosen configuration; or null. */
  readonly commandLine: string | null
  /** All checks that can detect damage. */
  readonly checks: readonly IntegrityCheck[]
  /** The damage in the bytes, one sentence each. */
  readonly damage: readonly string[]
  /** Of the file. */
  readonly signatures: FileSignatures
  /** Of the kernel, where it lies unchanged in the file: a kernel that requires signatures checks these. Else null. */
  readonly kernelSignatures: SignatureReport | null
}

/** A part of a container, with `layer`: an index into `nested`. */
export type InspectedPart = ImagePart & { readonly layer: number }

/**
 * Examines a kernel image completely without loading it: its kind, its contents, and its engine; whether its hashes,
 * its compressed streams and its signatures are valid. Reads all of it, which for a compressed kernel takes as long as
 * unpacking it; `inspectFile` reads only the head. Needs no privilege and keeps nothing.
 * @param input a path, bytes, an open file or a stream
 * @throws KexecError 'not-found', 'not-readable', 'io', 'aborted'. No bytes make it fail
 */
export async function inspect(input: ImageInput, options: InspectionRequest = {}): Promise<Inspection> {
  const { system = new System(), signal, ...choice } = options
  heed(signal)
  const file = await openInput(system, input, { name: 'kernel', signal })
  try {
    const { source, stats } = file
    const nested = await inspectNested(source, choice)
    const examined = await examine(file, nested, options)
    const { layers, kernel, kernelSize, integrity, signatures, kernelSignatures } = examined
    // A file that is not a regular file has no bytes, and would be reported as an empty file.
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

/** The result of reading all of an image. `inspect` shows it and `plan` refuses by it, so the two never disagree. */
export interface Examination {
  /** From the file to the kernel, with the facts that only reading on shows. */
  readonly layers: readonly Layer[]
  /** The innermost kernel. */
  readonly kernel: KernelImage
  /** Its bytes, unpacked; null when unknown. */
  readonly kernelSize: number | null
  readonly integrity: Integrity
  readonly damage: readonly Damage[]
  /** Of the file. */
  readonly signatures: FileSignatures
  /** Of the kernel, where it lies unchanged in the file; else null. */
  readonly kernelSignatures: SignatureReport | null
}

/**
 * Reads all of an image, and makes every available check.
 * @param nested of the file
 * @throws KexecError 'io', 'aborted'
 */
export async function examine(
  { path, fd, stats }: OpenImage,
  nested: NestedImage,
  options: Pick<InspectionRequest, 'certificates' | 'signal'>,
): Promise<Examination> {
  try {
    return await readAll(nested, stats?.isFile() ? fd : null, options)
  } catch (error) {
    throw asKexecError(error, path, options.signal)
  }
}

/**
 * @param fd the file whose security.ima is reported; null for an input that cannot have one
 */
async function readAll(
  nested: NestedImage,
  fd: number | null,
  options: Pick<InspectionRequest, 'certificates' | 'signal'>,
): Promise<Examination> {
  const { signal } = options
  const layers = nested.layers.map(completed)
  const { source } = layers[0] as Layer
  const signatures = await fileSignatures(source, fd, options)
  const kernelSignatures = await kernelSignaturesOf(layers, options)
  const reports: readonly SignatureReport[] = kernelSignatures === null ? [signatures] : [signatures, kernelSignatures]
  // A signature of the file covers the unchanged bytes in it.
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

/** How far to search an uncompressed kernel for the version line, in bytes. */
const SEARCHED = 64 * 1024 * 1024

/** The part of a bzImage behind its head is read only here. */
function completed(layer: Layer): Layer {
  const { image, source, isWhole } = layer
  if (image.setupHeader === null || !isWhole) return layer
  return { ...layer, image: { ...image, setupHeader: readSetupHeader(source.read(0, HEAD_BYTES), source) } }
}

async function kernelSignaturesOf(
  layers: readonly Layer[],
  options: InspectionRequest,
): Promise<SignatureReport | null> {
  const last = layers.at(-1)
  if (last === undefined || layers.length === 1 || !last.isPlain) return null
  const { inspectSignatures } = await import('../signature/inspect.ts')
  return inspectSignatures(last.source, options)
}

/** The version line of a vmlinux lies beyond the part that is unpacked to identify it. */
function kernelOf(nested: readonly KernelImage[], layers: readonly Layer[], integrity: Integrity): KernelImage {
  const image = innermost(nested)
  const version = integrity.version ?? completeVersion(image, layers.at(-1))
  if (version === undefined) return image
  if (image.format === 'ELF' || image.format === 'vmlinux') return asVmlinux(image, version)
  // In a file that is not a kernel, such as an initrd, it would belong to something inside.
  return engineFor(image).engine === 'none' || image.setupHeader !== null ? image : { ...image, ...version }
}

/** The version line with its build number, where the first match has none. */
function completeVersion({ versionString, version }: KernelImage, layer: Layer | undefined): Version | undefined {
  if (versionString === null || version === null || isComplete({ version, versionString })) return undefined
  return layer?.isPlain ? findVersion(layer.source, 0, Math.min(layer.source.size, SEARCHED), isComplete) : undefined
}

/** Bytes of the last layer: its own where they lie in the file, else the unpacked ones. */
function kernelSizeOf(layers: readonly Layer[], unpackedSize: number | null): number | null {
  const last = layers.at(-1) as Layer
  // A container with contents that could not be opened is not a kernel.
  if (kernelPart(last) !== undefined) return null
  if (last.isPlain || last.isWhole) return last.source.size
  const packing = layers.findIndex(({ isPlain }) => !isPlain)
  if (packing === layers.length - 1) return unpackedSize
  // Within the unpacked bytes, another container may be conclusive.
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
  const { code, syscall } = error as NodeJS.ErrnoException
  // Only a system call reads the file: what has another code, such as a missing module, is no fault of it.
  if (code === undefined || syscall === undefined) return error
  const hint = 'Copy the file to other storage; the kernel log may tell what is wrong with this (dmesg).'
  return new KexecError('the file could not be read', { reason: 'io', code, path, hint, cause: error, refused: true })
}
