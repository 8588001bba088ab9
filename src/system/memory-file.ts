import { closeSync, openSync, writeSync } from 'node:fs'
import { errnoName, KexecError } from '../errors.ts'
import { native } from '../native.ts'

/** include/uapi/linux/memfd.h */
const MFD_CLOEXEC = 1
const MFD_NOEXEC_SEAL = 8

/** A file in memory, which lives as long as it is open. A second close has no effect. */
export class MemoryFile {
  /** The descriptor, for the syscall. */
  readonly fd: number
  /** The descriptor for node:fs: Deno refuses those that it did not open itself. */
  readonly file: number
  #size = 0
  #open = true

  /**
   * Never executable, as machines with vm.memfd_noexec=2 require; kernels before 6.3 do not know that flag.
   * @param purpose for the message when it cannot be created: 'for the initrds'
   * @throws KexecError 'no-memory' or 'io'
   */
  constructor(name: string, purpose: string) {
    let descriptor = native().memfdCreate(name, MFD_CLOEXEC | MFD_NOEXEC_SEAL)
    if (descriptor < 0 && errnoName(descriptor) === 'EINVAL') descriptor = native().memfdCreate(name, MFD_CLOEXEC)
    if (descriptor < 0) {
      const reason = errnoName(descriptor) === 'ENOMEM' ? 'no-memory' : 'io'
      throw new KexecError(`no memory file could be made ${purpose}`, {
        reason,
        errno: descriptor,
        syscall: 'memfd_create',
        hint: 'Free memory, or close files: the limits of memory and of open files (ulimit -n) apply.',
      })
    }
    this.fd = descriptor
    this.file = 'Deno' in globalThis ? openSync(`/proc/self/fd/${descriptor}`, 'r+') : descriptor
  }

  get size(): number {
    return this.#size
  }

  /** Appends bytes. @throws Node's error of write(2) */
  write(bytes: Uint8Array): void {
    for (let written = 0; written < bytes.length; ) {
      const count = writeSync(this.file, bytes, written, bytes.length - written, this.#size)
      written += count
      this.#size += count
    }
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    if (this.file !== this.fd) closeSync(this.file)
    // Not through Node, which in a worker thread warns of a descriptor that it did not open.
    native().close(this.fd)
  }
}
