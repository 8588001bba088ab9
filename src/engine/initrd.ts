import { fstatSync, readSync } from 'node:fs'
import { KexecError } from '../errors.ts'
import { MemoryFile } from '../system/memory-file.ts'

const CHUNK = 1024 * 1024

/**
 * Where a further archive may begin: the kernel's unpacker skips zeros between archives, and a cpio header begins on a
 * multiple of 4 (Documentation/driver-api/early-userspace/buffer-format.rst).
 */
const ALIGNMENT = 4

/** An initrd as the syscall takes it: one descriptor, or -1 for none. */
export interface InitrdDescriptor {
  readonly fd: number
  close(): void
}

/**
 * Makes one initrd of several, in order. None gives -1 and a single one its own descriptor (so that its IMA signature still
 * counts); several are copied into a memfd, padded with zeros between.
 * @param fds open descriptors, which stay the caller's
 * @throws KexecError 'no-memory' or 'io'
 */
export function combineInitrds(fds: readonly number[]): InitrdDescriptor {
  const [first] = fds
  if (first === undefined) return { fd: -1, close: () => {} }
  if (fds.length === 1) return { fd: first, close: () => {} }
  const memory = new MemoryFile('linux-kexec-initrd', 'for the initrds')
  try {
    const chunk = Buffer.allocUnsafe(CHUNK)
    for (const fd of fds) {
      memory.write(Buffer.alloc((ALIGNMENT - (memory.size % ALIGNMENT)) % ALIGNMENT))
      for (let offset = 0, size = fstatSync(fd).size; offset < size; ) {
        const count = readSync(fd, chunk, 0, CHUNK, offset)
        if (count === 0) throw new KexecError('an initrd shrank while it was read', { reason: 'file-changed' })
        memory.write(chunk.subarray(0, count))
        offset += count
      }
    }
  } catch (error) {
    memory.close()
    if (error instanceof KexecError) throw error
    const code = (error as NodeJS.ErrnoException).code
    const reason = code === 'ENOMEM' || code === 'ENOSPC' ? 'no-memory' : 'io'
    throw new KexecError('the initrds could not be joined in memory', {
      reason,
      cause: error,
      ...(code ? { code } : {}),
    })
  }
  return { fd: memory.fd, close: () => memory.close() }
}
