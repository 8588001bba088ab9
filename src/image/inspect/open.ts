import { closeSync, fstatSync, openSync, readlinkSync, type Stats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { type ByteSource, fileBytes, memoryBytes, withHead } from '../../bytes/bytes.ts'
import { KexecError, type Reason } from '../../errors.ts'
import { MemoryFile } from '../../system/memory-file.ts'
import { fileType, NotAFile, readAtMost, System } from '../../system/system.ts'
import { HEAD_BYTES, inspectImage } from '../formats/inspect.ts'
import { type KernelImage, unknownImage } from '../model/image.ts'
import { holdInput, type ImageInput } from './input.ts'

/** A file that stays open from inspection to the syscall, so that the inspected bytes are the loaded ones. */
export interface OpenImage {
  /** Its path; for an input without one '(bytes)' or '(stream)'. */
  readonly path: string
  /** Its descriptor, or null for bytes in memory. */
  readonly fd: number | null
  /** Bytes; 0 for a file that is not a regular file. */
  readonly size: number
  /** Null for bytes in memory. */
  readonly stats: Stats | null
  /** Its bytes; empty for a file that is not a regular file. */
  readonly source: ByteSource
  readonly image: KernelImage
  /** Closes it: nothing can be read or loaded from it afterwards. */
  close(): void
}

/** No kernel takes larger files: KEXEC_FILE_SIZE_MAX of kernel/kexec_internal.h. */
const MAX_FILE = 4 * 1024 ** 3

/**
 * Opens a file and identifies it. The caller closes it.
 * @throws KexecError 'not-found', 'not-readable' or 'io' when it cannot be opened. Any readable file, directory or
 *   device has an answer.
 */
export function openImage(system: System, path: string): OpenImage {
  return imageOf(openForLoading(system, path), path)
}

/**
 * Opens a kernel or an initrd in any form. The caller closes it.
 * @param name the purpose of a stream's bytes, as a part of a message: 'kernel'
 * @throws KexecError as `openImage` and `holdInput`; 'no-memory', 'aborted'; and 'io' with the stream's own error as its cause
 */
export async function openInput(
  system: System,
  input: ImageInput,
  { name, signal }: { readonly name: string; readonly signal?: AbortSignal | undefined },
): Promise<OpenImage> {
  const held = holdInput(input)
  if (typeof held === 'string') return openImage(system, held)
  if (held instanceof Uint8Array) return imageOfBytes(held)
  if (Symbol.asyncIterator in held) return openStream(held, name, signal)
  return openHandle(held)
}

function imageOfBytes(input: Uint8Array): OpenImage {
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength)
  const source = memoryBytes(bytes)
  const image = inspectImage(bytes.subarray(0, HEAD_BYTES), bytes.length)
  return { path: '(bytes)', fd: null, size: bytes.length, stats: null, source, image, close: () => {} }
}

/** A descriptor of our own for the same file: the caller may close theirs, and its offset does not move. */
function openHandle(handle: FileHandle): OpenImage {
  const link = `/proc/self/fd/${handle.fd}`
  let path = link
  try {
    path = readlinkSync(link)
    return imageOf(openSync(link, 'r'), path)
  } catch (cause) {
    throw cause instanceof KexecError ? cause : fileError(cause, path)
  }
}

async function openStream(
  stream: AsyncIterable<Uint8Array>,
  name: string,
  signal: AbortSignal | undefined,
): Promise<OpenImage> {
  const memory = new MemoryFile(`linux-kexec-${name}`, `for the ${name}`)
  try {
    const limit = Math.min(MAX_FILE, totalmem() / 2)
    for await (const chunk of stream) {
      if (signal?.aborted) throw interrupted(name, signal)
      if (memory.size + chunk.length > limit) throw tooLarge(name, limit)
      memory.write(chunk)
    }
    const source = fileBytes(memory.file, memory.size)
    const image = inspectImage(source.read(0, HEAD_BYTES), memory.size)
    const { fd, size } = memory
    return { path: '(stream)', fd, size, stats: null, source, image, close: () => memory.close() }
  } catch (cause) {
    memory.close()
    if (cause instanceof KexecError) throw cause
    const { code } = cause as NodeJS.ErrnoException
    throw new KexecError(`the stream of the ${name} failed`, { reason: 'io', cause, ...(code ? { code } : {}) })
  }
}

function imageOf(fd: number, path: string): OpenImage {
  try {
    const stats = fstatSync(fd)
    const close = closeOnce(fd)
    if (!stats.isFile()) {
      const image = { ...unknownImage, format: fileType(stats), description: `a ${fileType(stats)}` }
      return { path, fd, size: 0, stats, source: memoryBytes(Buffer.alloc(0)), image, close }
    }
    const { size } = stats
    const head = readAtMost(fd, HEAD_BYTES)
    return {
      path,
      fd,
      size,
      stats,
      source: withHead(head, fileBytes(fd, size)),
      image: inspectImage(head, size),
      close,
    }
  } catch (cause) {
    closeSync(fd)
    throw fileError(cause, path)
  }
}

/** A second close could close a descriptor that is another file's by then. */
function closeOnce(fd: number): () => void {
  let isOpen = true
  return () => {
    if (isOpen) closeSync(fd)
    isOpen = false
  }
}

/**
 * Opens a kernel or initrd for reading. Other than regular files are only named, never read. @throws KexecError
 * 'not-found', 'not-readable' or 'io'.
 */
function openForLoading(system: System, path: string): number {
  try {
    return system.open(path)
  } catch (cause) {
    if (cause instanceof NotAFile) return system.openWithoutTouching(path)
    throw fileError(cause, path)
  }
}

function interrupted(name: string, signal: AbortSignal): KexecError {
  return new KexecError(`interrupted while the ${name} was read; nothing was changed`, {
    reason: 'aborted',
    cause: signal.reason,
  })
}

function tooLarge(name: string, limit: number): KexecError {
  return new KexecError(`the stream of the ${name} has more than ${Math.floor(limit)} bytes`, {
    reason: 'no-memory',
    hint: 'No kernel takes more than 4 GiB, or more than half of the memory.',
    refused: true,
  })
}

function fileError(cause: unknown, path: string): KexecError {
  const { code, errno, syscall } = cause as NodeJS.ErrnoException
  const [reason, summary] = fileReasons[code ?? ''] ?? (['io', 'the file could not be read'] as const)
  const hint = hintFor(reason, code)
  return new KexecError(summary, {
    reason,
    path,
    cause,
    refused: true,
    ...(code === undefined ? {} : { code }),
    ...(errno === undefined ? {} : { errno }),
    ...(syscall === undefined ? {} : { syscall }),
    ...(hint === undefined ? {} : { hint }),
  })
}

const fileReasons: Record<string, readonly [Reason, string]> = {
  ENOENT: ['not-found', 'no such file'],
  ENOTDIR: ['not-found', 'a part of the path is not a directory'],
  ELOOP: ['not-found', 'the path runs in circles through symbolic links'],
  EACCES: ['not-readable', 'the file may not be read by this user'],
  EPERM: ['not-readable', 'the file may not be read by this user'],
  ENXIO: ['not-readable', 'the file cannot be opened for reading'],
}

function hintFor(reason: Reason, code: string | undefined): string | undefined {
  if (reason === 'not-found') return 'Check the path; `linux-kexec list` shows the kernels that were found.'
  if (reason !== 'not-readable') return undefined
  if (code === 'ENXIO') return 'Give the path of a regular file.'
  // Permissions do not restrict root.
  return process.geteuid?.() === 0
    ? 'Copy the file to a local file system: a security module, an access rule or a network file system refuses it to root.'
    : 'Run it as root, or make the file readable.'
}

/** A file's kind, with its path and its size in bytes. */
export interface InspectedFile extends KernelImage {
  readonly path: string
  readonly size: number
}

/**
 * Identifies any file. Reads its first 36 KiB, needs no privilege and loads nothing. `inspect` reports more.
 * @throws KexecError 'not-found', 'not-readable' or 'io'
 */
export function inspectFile(path: string, system: System = new System()): InspectedFile {
  const { size, image, close } = openImage(system, path)
  close()
  return { path, size, ...image }
}
