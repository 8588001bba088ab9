import { fstatSync } from 'node:fs'
import type { ByteSource } from '../../bytes/bytes.ts'
import { memoryBytes, watched } from '../../bytes/bytes.ts'
import { KexecError } from '../../errors.ts'
import type { OpenImage } from '../../image/inspect/open.ts'
import { type ExtractedKernel, extractKernel, readPart } from '../../image/unpack/extract.ts'
import type { LocatedPart } from '../../image/unpack/nested.ts'
import { type ArchiveEntry, listArchive } from '../../initrd/archive-entries.ts'
import { bootconfigTrailer } from '../../initrd/bootconfig.ts'
import { type InitrdDescriptor, type InitrdPart, joinInitrds, joinInitrdsSync } from '../../initrd/join.ts'
import { overlayArchive } from '../../initrd/overlay.ts'
import { InitrdTree } from '../../initrd/tree.ts'
import type { Choices } from '../choices/choices.ts'
import type { Context } from '../context/context.ts'
import type { PlannedInitrds } from '../context/initrds.ts'
import { kernelFiles, needsUnpacking } from '../context/kernel.ts'
import type { PlanWarning } from '../model/remark.ts'
import type { PrepareOptions } from './progress.ts'
import { type UnpackedBzImage, type UnpackedParts, Unpacking } from './unpacking.ts'

/** The arguments of the syscall, made from the plan. */
export interface Prepared {
  readonly kernelFd: number
  /** -1 for none. */
  readonly initrdFd: number
  /** A kernel to start unpacked; null where it is to unpack itself. */
  readonly unpackedKernel: UnpackedBzImage | null
  /** The part of both that lies in memory files, in bytes. */
  readonly memoryBytes: number
  /** The measures that turned out to be impossible. */
  readonly warnings: readonly PlanWarning[]
  /** The unpacked kernel, or null where the file itself is loaded. */
  readonly extracted: ExtractedKernel | null
  close(): void
}

/**
 * Unpacks the kernel and joins the initrds, into memory. The files are read once; files that are loaded as they are,
 * the syscall reads.
 * @throws KexecError 'file-changed' when a file was written since it was inspected, and the errors of `extractKernel`
 */
export async function prepare(
  context: Context,
  { engine, measures, trial }: Choices,
  options: PrepareOptions = {},
): Promise<Prepared> {
  const { kernel, initrds } = context
  const { signal } = options
  refuseIfChanged(context)
  const extracted = needsUnpacking(kernel) ? await extract(context, options) : null
  const unpacking = new Unpacking(kernel, extracted?.fd ?? (kernel.file.fd as number), engine, options)
  let unpacked: UnpackedParts | null = null
  try {
    const given = [...ownParts(context, extracted, signal), ...fileParts(initrds)]
    if (measures.unpackInitrds) unpacked = await unpacking.unpackInitrds(given)
    const parts = unpacked?.parts ?? given
    if (initrds.overlay.length > 0) {
      parts.push(await overlayPart(initrds, parts, { extracted, nextInit: trial?.nextInit ?? null, signal }))
    }
    if (initrds.bootconfig !== null) parts.push(bootconfigPart(initrds.bootconfig))
    const unpackedKernel = measures.unpackKernel ? await unpacking.unpackKernel(parts) : null
    const initrd = alsoClosing(await joinInitrds(parts, { signal }), unpacked)
    return finish(context, { extracted, unpackedKernel, initrd, warnings: unpacking.warnings })
  } catch (error) {
    unpacked?.close()
    extracted?.close()
    throw error
  }
}

/**
 * An initrd that is loaded as it was unpacked has its own descriptor; the parts of a joined one are no longer needed.
 */
function alsoClosing(initrd: InitrdDescriptor, unpacked: UnpackedParts | null): InitrdDescriptor {
  if (unpacked === null) return initrd
  if (unpacked.parts.length > 1) unpacked.close()
  const close = () => {
    initrd.close()
    unpacked.close()
  }
  return { fd: initrd.fd, close }
}

/**
 * The same synchronously, where nothing need be unpacked.
 * @throws KexecError also 'invalid-argument' where something must be unpacked
 */
export function prepareSync(context: Context, { measures }: Choices): Prepared {
  const { kernel, initrds } = context
  const isUnpacking = needsUnpacking(kernel) || measures.unpackInitrds || measures.unpackKernel
  if (isUnpacking || initrds.overlay.length > 0 || initrds.bootconfig !== null) {
    throw new KexecError('this plan has to be prepared first, which cannot be done at once', {
      reason: 'invalid-argument',
      path: kernel.file.path,
      hint: 'Await prepare() before loadSync(), or use load().',
      refused: true,
    })
  }
  refuseIfChanged(context)
  const initrd = joinInitrdsSync(fileParts(initrds))
  return finish(context, { extracted: null, unpackedKernel: null, initrd, warnings: [] })
}

function finish(
  context: Context,
  made: Pick<Prepared, 'extracted' | 'unpackedKernel' | 'warnings'> & { initrd: InitrdDescriptor },
): Prepared {
  const { extracted, unpackedKernel, initrd, warnings } = made
  const { kernel, initrds } = context
  const close = () => {
    extracted?.close()
    initrd.close()
  }
  try {
    // Checked again: the copied bytes must be the inspected ones.
    refuseIfChanged(context)
  } catch (error) {
    close()
    throw error
  }
  const kernelFd = extracted?.fd ?? (kernel.file.fd as number)
  const isFile = initrd.fd === -1 || initrds.archives.some(({ file }) => file?.fd === initrd.fd)
  const memoryBytes = (extracted === null ? 0 : fstatSync(extracted.fd).size) + (isFile ? 0 : fstatSync(initrd.fd).size)
  return { kernelFd, unpackedKernel, initrdFd: initrd.fd, memoryBytes, extracted, warnings, close }
}

function extract({ kernel, options }: Context, { signal, onProgress }: PrepareOptions): Promise<ExtractedKernel> {
  const { file, choice, vendor } = kernel
  const { fd, path } = file
  const seen = (done: number, total: number) => onProgress?.({ step: 'unpacking the kernel', done, total })
  return extractKernel(watched(file.source, seen), {
    ...choice,
    path,
    // Content that does not match its hashes is then loaded anyway.
    ignoreDamage: options.tryAnyway ?? false,
    ...(fd === null ? {} : { fd }),
    ...(vendor === null ? {} : { vendorBoot: vendor.file.source }),
    ...(signal ? { signal } : {}),
  })
}

/** The image's own initrds. */
function ownParts(
  { kernel: { unified, file }, initrds, options: { tryAnyway: ignoreDamage = false } }: Context,
  extracted: ExtractedKernel | null,
  signal: AbortSignal | undefined,
): InitrdPart[] {
  if (!initrds.withOwn) return []
  if (unified !== null) return unified.initrds.map(({ name, source }) => ({ name, bytes: source, fd: null }))
  const options = { path: file.path, ignoreDamage, ...(signal ? { signal } : {}) }
  return (extracted?.initrds ?? []).map((located) => ({
    name: `${file.path}:${located.part.name}`,
    bytes: readPart(located, options),
    fd: null,
  }))
}

function fileParts({ archives }: PlannedInitrds): (InitrdPart & { readonly bytes: ByteSource })[] {
  return archives.flatMap(({ path, file, source, isWrapped }) =>
    file === null ? [] : [{ name: path, bytes: source ?? file.source, fd: isWrapped ? null : file.fd }],
  )
}

/** The kernel looks for it at the very end of the initrd. */
function bootconfigPart({ source }: LocatedPart): InitrdPart {
  return { name: 'the bootconfig', bytes: memoryBytes(bootconfigTrailer(source.read(0, source.size))), fd: null }
}

/** What decides about an overlay besides its files. */
interface OverlaidInitrd {
  readonly extracted: ExtractedKernel | null
  /** The program that the deadman of a trial starts after itself; null without one. */
  readonly nextInit: string | null
  readonly signal: AbortSignal | undefined
}

/** The kernel would not mount the root file system by itself any more: init_eaccess() of init/main.c. */
function withoutInit(path: string): KexecError {
  return new KexecError(`the initrd has no ${path}, so the deadman of the trial would start nothing after itself`, {
    reason: 'no-guard',
    hint: 'Load an initrd that has an init, or one without a deadman: --remove rdinit.',
    refused: true,
  })
}

/** The overlay is laid out for the unpacked content of the archives before it. */
async function overlayPart(
  { overlay, withOwn }: PlannedInitrds,
  parts: readonly InitrdPart[],
  { extracted, nextInit, signal }: OverlaidInitrd,
): Promise<InitrdPart> {
  const tree = new InitrdTree()
  const inside = withOwn ? (extracted?.initrds ?? []).map(({ source }) => source) : []
  const sources = [...inside, ...parts.flatMap(({ bytes }) => ('read' in bytes ? [bytes] : []))]
  for (const source of sources) {
    const see = ({ name, mode, target }: ArchiveEntry) => tree.add(name, mode, target)
    if (!(await listArchive(source, see, signal))) tree.isComplete = false
  }
  const { bytes } = overlayArchive(overlay, tree)
  if (nextInit !== null && tree.lacks(nextInit)) throw withoutInit(nextInit)
  return { name: 'the overlay', bytes, fd: null }
}

/** @throws KexecError 'file-changed' */
export function refuseIfChanged({ kernel, initrds }: Context): void {
  const files = initrds.archives.flatMap(({ file }) => file ?? [])
  for (const file of [...kernelFiles(kernel), ...files]) checkUnchanged(file)
}

function checkUnchanged({ fd, stats, path }: OpenImage): void {
  if (fd === null || stats === null) return
  const now = fstatSync(fd)
  if (now.size === stats.size && now.mtimeMs === stats.mtimeMs && now.ctimeMs === stats.ctimeMs) return
  throw new KexecError('the file was changed after it was inspected', {
    reason: 'file-changed',
    path,
    hint: 'Wait until its writer has finished, and plan again.',
    refused: true,
  })
}
