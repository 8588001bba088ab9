import { fstatSync } from 'node:fs'
import { combineInitrds } from '../engine/initrd.ts'
import { KexecError } from '../errors.ts'
import { type ByteSource, type ExtractedKernel, extractKernel, type OpenImage, readPart } from '../image/index.ts'
import { MemoryFile } from '../system/memory-file.ts'
import type { InitrdChoice } from './initrds.ts'
import { kernelFiles, needsUnpacking, type PlannedKernel } from './kernel.ts'

/** Copied at a time, bytes. */
const CHUNK = 1024 * 1024

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
  const opened = new OpenedInitrds()
  try {
    if (choice.withOwn) {
      const parts = kernel.unified?.initrds.map(({ source }) => piecesOf(source))
      const inside = extracted?.initrds.map((part) => readPart(part, signal ? { signal } : {}))
      for (const chunks of parts ?? inside ?? []) await opened.copy(chunks)
    }
    return finish(kernel, choice, extracted, opened)
  } catch (error) {
    extracted?.close()
    opened.close()
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
  const opened = new OpenedInitrds()
  try {
    return finish(kernel, choice, null, opened)
  } catch (error) {
    opened.close()
    throw error
  }
}

function finish(
  kernel: PlannedKernel,
  choice: InitrdChoice,
  extracted: ExtractedKernel | null,
  opened: OpenedInitrds,
): Prepared {
  for (const { file } of choice.initrds) if (file !== null) opened.add(file)
  const initrd = combineInitrds(opened.fds)
  const close = () => {
    extracted?.close()
    initrd.close()
    opened.close()
  }
  // Once more: what was copied meanwhile must be what was inspected.
  refuseIfChanged(kernel, choice)
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

function* piecesOf(source: ByteSource): Generator<Buffer> {
  for (let offset = 0; offset < source.size; offset += CHUNK) yield source.read(offset, CHUNK)
}

/** The initrds as descriptors, in order. */
class OpenedInitrds {
  readonly fds: number[] = []
  readonly #memories: MemoryFile[] = []

  async copy(chunks: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<void> {
    const memory = this.#memory()
    for await (const chunk of chunks) memory.write(chunk)
    this.fds.push(memory.fd)
  }

  add({ fd, source, size }: OpenImage): void {
    if (fd !== null) this.fds.push(fd)
    else {
      const memory = this.#memory()
      memory.write(source.read(0, size))
      this.fds.push(memory.fd)
    }
  }

  close(): void {
    for (const memory of this.#memories.splice(0)) memory.close()
  }

  #memory(): MemoryFile {
    const memory = new MemoryFile('linux-kexec-initrd', 'for the initrds')
    this.#memories.push(memory)
    return memory
  }
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
