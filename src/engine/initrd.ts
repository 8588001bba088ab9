import { closeSync, fstatSync, readSync, writeSync } from 'node:fs'
import { errnoName, KexecError } from '../errors.ts'
import { native } from '../native.ts'

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
  const memory = memoryFile('linux-kexec-initrd')
  if (memory < 0) {
    const reason = errnoName(memory) === 'ENOMEM' ? 'no-memory' : 'io'
    throw new KexecError('no memory file could be made for the initrds', {
      reason,
      errno: memory,
      syscall: 'memfd_create',
    })
  }
  try {
    const chunk = Buffer.allocUnsafe(CHUNK)
    let written = 0
    for (const fd of fds) {
      written += writeAll(memory, Buffer.alloc((ALIGNMENT - (written % ALIGNMENT)) % ALIGNMENT))
      for (let offset = 0, size = fstatSync(fd).size; offset < size; ) {
        const count = readSync(fd, chunk, 0, CHUNK, offset)
        if (count === 0) throw new KexecError('an initrd shrank while it was read', { reason: 'file-changed' })
        written += writeAll(memory, chunk.subarray(0, count))
        offset += count
      }
    }
  } catch (error) {
    closeSync(memory)
    if (error instanceof KexecError) throw error
    const code = (error as NodeJS.ErrnoException).code
    const reason = code === 'ENOMEM' || code === 'ENOSPC' ? 'no-memory' : 'io'
    throw new KexecError('the initrds could not be joined in memory', {
      reason,
      cause: error,
      ...(code ? { code } : {}),
    })
  }
  return { fd: memory, close: () => closeSync(memory) }
}

/** include/uapi/linux/memfd.h */
const MFD_CLOEXEC = 1
const MFD_NOEXEC_SEAL = 8

/**
 * A file in memory: its descriptor, or the errno negated. Never executable, which machines with vm.memfd_noexec=2 insist on;
 * kernels before 6.3 do not know that flag.
 */
function memoryFile(name: string): number {
  const descriptor = native().memfdCreate(name, MFD_CLOEXEC | MFD_NOEXEC_SEAL)
  return descriptor < 0 && errnoName(descriptor) === 'EINVAL' ? native().memfdCreate(name, MFD_CLOEXEC) : descriptor
}

function writeAll(fd: number, bytes: Buffer): number {
  for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written)
  return bytes.length
}
