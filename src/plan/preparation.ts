import { fstatSync } from 'node:fs'
import { KexecError } from '../errors.ts'
import { type ExtractedKernel, extractKernel, type OpenImage } from '../image/index.ts'
import { type InitrdDescriptor, joinInitrds, joinInitrdsSync } from '../initrd/join.ts'
import { locatedPart, type SyncInitrdPart, sourcePart } from '../initrd/part.ts'
import type { InitrdChoice } from './initrds.ts'
import { kernelFiles, needsUnpacking, type PlannedKernel } from './kernel.ts'

/** What the syscall takes, made of what was planned. */
export interface Prepared {
  readonly kernelFd: number
  /** -1 for none. */
  readonly initrdFd: number
  /** What was unpacked, or null where the file itself is loaded. */
  readonly extracted: ExtractedKernel | null
  close(): void
}

/**
 * Unpacks the kernel and joins the initrds, into memory. The files are read once; what a file is loaded from as it is, the
 * syscall reads.
 * @throws KexecError 'file-changed' when a file was written since it was inspected, and what `extractKernel` throws
 */
export async function prepare(
  kernel: PlannedKernel,
  choice: InitrdChoice,
  signal: AbortSignal | undefined,
): Promise<Prepared> {
  refuseIfChanged(kernel, choice)
  const extracted = needsUnpacking(kernel) ? await extract(kernel, signal) : null
  try {
    const inside = (choice.withOwn && extracted?.initrds) || []
    const own = inside.map((part) => locatedPart(`${kernel.file.path}:${part.part.name}`, part))
    const initrd = await joinInitrds([...own, ...readableParts(kernel, choice)], { signal })
    return finish(kernel, choice, extracted, initrd)
  } catch (error) {
    extracted?.close()
    throw error
  }
}

/**
 * The same at once, where nothing need be unpacked.
 * @throws KexecError also 'invalid-argument' where something has to be
 */
export function prepareSync(kernel: PlannedKernel, choice: InitrdChoice): Prepared {
  if (needsUnpacking(kernel)) {
    throw new KexecError('this kernel has to be unpacked first, which cannot be done at once', {
      reason: 'invalid-argument',
      path: kernel.file.path,
      hint: 'Await prepare() before loadSync(), or use load().',
      refused: true,
    })
  }
  refuseIfChanged(kernel, choice)
  return finish(kernel, choice, null, joinInitrdsSync(readableParts(kernel, choice)))
}

/** What need not be unpacked: files, sections of a unified image, and the overlay. */
function readableParts({ unified }: PlannedKernel, { initrds, overlay }: InitrdChoice): SyncInitrdPart[] {
  const parts = initrds.flatMap(({ path, file, source }) => {
    const isReadable = source !== null && (file !== null || unified !== null)
    return isReadable ? [sourcePart(path, source, file?.fd ?? null)] : []
  })
  return overlay === null ? parts : [...parts, overlay.part]
}

function finish(
  kernel: PlannedKernel,
  choice: InitrdChoice,
  extracted: ExtractedKernel | null,
  initrd: InitrdDescriptor,
): Prepared {
  const close = () => {
    extracted?.close()
    initrd.close()
  }
  try {
    // Once more: what was copied meanwhile must be what was inspected.
    refuseIfChanged(kernel, choice)
  } catch (error) {
    initrd.close()
    throw error
  }
  return { kernelFd: extracted?.fd ?? (kernel.file.fd as number), initrdFd: initrd.fd, extracted, close }
}

function extract({ file, choice, vendor }: PlannedKernel, signal: AbortSignal | undefined): Promise<ExtractedKernel> {
  const { fd, path } = file
  return extractKernel(file.source, {
    ...choice,
    path,
    ...(fd === null ? {} : { fd }),
    ...(vendor === null ? {} : { vendorBoot: vendor.file.source }),
    ...(signal ? { signal } : {}),
  })
}

/** @throws KexecError 'file-changed' */
export function refuseIfChanged(kernel: PlannedKernel, { initrds }: InitrdChoice): void {
  for (const file of [...kernelFiles(kernel), ...initrds.flatMap((initrd) => initrd.file ?? [])]) {
    checkUnchanged(file)
  }
}

function checkUnchanged({ fd, stats, path }: OpenImage): void {
  if (fd === null || stats === null) return
  const now = fstatSync(fd)
  if (now.size === stats.size && now.mtimeMs === stats.mtimeMs && now.ctimeMs === stats.ctimeMs) return
  throw new KexecError('the file was changed after it was inspected', {
    reason: 'file-changed',
    path,
    hint: 'Wait until whatever writes it has finished, and plan again.',
    refused: true,
  })
}
