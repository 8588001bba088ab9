import { fstatSync } from 'node:fs'
import { fileBytes, memoryBytes, watched } from '../../bytes/bytes.ts'
import { readContents } from '../../engine/contents.ts'
import { findRelocations } from '../../engine/layout/x86_64/relocations.ts'
import { KexecError } from '../../errors.ts'
import { unpackPayload } from '../../image/unpack/payload.ts'
import type { InitrdPart } from '../../initrd/join.ts'
import { unpackInitrd } from '../../initrd/unpacked.ts'
import type { MemoryFile } from '../../system/memory-file.ts'
import { System } from '../../system/system.ts'
import { requireAmpleMemory } from '../checks/memory.ts'
import type { Engine } from '../choices/engine.ts'
import type { PlannedKernel } from '../context/kernel.ts'
import type { PlanWarning } from '../model/remark.ts'
import type { PrepareOptions } from './progress.ts'

/** A bzImage, and the kernel that it would unpack at its start. */
export interface UnpackedBzImage {
  readonly bzImage: Buffer
  readonly content: Buffer
}

/** Parts, unpacked where possible, and the files that must stay open until they are loaded. */
export interface UnpackedParts {
  readonly parts: InitrdPart[]
  close(): void
}

/**
 * The contents that `fast` unpacks before the load, as long as memory lasts. Parts that do not fit stay compressed,
 * with a remark.
 */
export class Unpacking {
  /** The parts that stayed compressed, and why. */
  readonly warnings: PlanWarning[] = []
  private readonly kernel: PlannedKernel
  private readonly kernelFd: number
  private readonly engine: Engine
  private readonly options: PrepareOptions
  /** The part of the initrds in memory files, in bytes. */
  private unpackedBytes = 0

  /**
   * @param kernelFd the kernel as it is loaded, which is not `kernel.file` where that is a container
   */
  constructor(kernel: PlannedKernel, kernelFd: number, engine: Engine, options: PrepareOptions) {
    this.kernel = kernel
    this.kernelFd = kernelFd
    this.engine = engine
    this.options = options
  }

  /** Unpacks all parts that can be; null where there is no room for them. @throws KexecError as `unpackInitrd` */
  async unpackInitrds(given: readonly InitrdPart[]): Promise<UnpackedParts | null> {
    const opened: MemoryFile[] = []
    const close = () => {
      for (const memory of opened) memory.close()
    }
    try {
      const parts: InitrdPart[] = []
      for (const part of given) {
        const memory = await this.unpackInitrd(part)
        if (memory !== null) opened.push(memory)
        this.unpackedBytes += memory?.size ?? 0
        parts.push(
          memory === null ? part : { name: part.name, bytes: fileBytes(memory.file, memory.size), fd: memory.fd },
        )
      }
      return { parts, close }
    } catch (error) {
      close()
      this.unpackedBytes = 0
      this.leaveCompressed('initrd', error)
      return null
    }
  }

  private async unpackInitrd({ bytes }: InitrdPart): Promise<MemoryFile | null> {
    if (!('read' in bytes)) return null
    const { signal, onProgress } = this.options
    const seen = (done: number, total: number) => onProgress?.({ step: 'unpacking the initrd', done, total })
    const onGrowth = (size: number) => {
      const inMemory = this.unpackedBytes + size
      this.requireRoom({ initrdBytes: inMemory, inMemory, copiedBytes: 0 })
    }
    return unpackInitrd(watched(bytes, seen), { signal, onGrowth })
  }

  /**
   * Null where its relocations are not understood, or where there is no room for it.
   * @param initrds the initrds that are loaded with it
   * @throws KexecError 'damaged-image', 'aborted'
   */
  async unpackKernel(initrds: readonly InitrdPart[]): Promise<UnpackedBzImage | null> {
    const { setupHeader } = this.kernel.image
    if (setupHeader === null) return null
    const { signal, onProgress } = this.options
    const seen = (done: number, total: number) => onProgress?.({ step: 'unpacking the kernel', done, total })
    try {
      const copiedBytes = setupHeader.initSize ?? 0
      this.requireRoom({ initrdBytes: sizeOf(initrds), inMemory: this.unpackedBytes, copiedBytes })
      const bzImage = await readContents(this.kernelFd, 'kernel', signal)
      const content = await unpackPayload(watched(memoryBytes(bzImage), seen), setupHeader, signal)
      if (findRelocations(content) !== null) return { bzImage, content }
      this.warnings.push({ code: 'left-compressed', text: UNKNOWN_LAYOUT })
    } catch (error) {
      this.leaveCompressed('kernel', error)
    }
    return null
  }

  /**
   * @throws errors other than a lack of memory
   */
  private leaveCompressed(what: string, error: unknown): void {
    if (!(error instanceof KexecError && error.reason === 'no-memory')) throw error
    const text = `the ${what} is left compressed after all: with it unpacked ${error.summary}`
    this.warnings.push({ code: 'left-compressed', text })
  }

  /** @throws KexecError 'no-memory' */
  private requireRoom({ initrdBytes, inMemory, copiedBytes }: Room): void {
    const kernelFile = fstatSync(this.kernelFd).size
    const { memoryNeeded: kernelMemory } = this.kernel.image
    // kexec_load gets the bytes that were read from them, and they are closed before it copies those.
    const releasedBytes = this.engine === 'segments' ? inMemory : 0
    requireAmpleMemory(new System(), { kernelFile, kernelMemory, initrdBytes, copiedBytes, releasedBytes })
  }
}

/** The sizes that there must be room for, in bytes. */
interface Room {
  /** All initrds, unpacked where they are. */
  readonly initrdBytes: number
  /** The part of them in memory files. */
  readonly inMemory: number
  /** The part that is yet to be unpacked. */
  readonly copiedBytes: number
}

/** Practically never: the relocations have had one layout since 2009, and another since Linux 6.15. */
const UNKNOWN_LAYOUT = 'the kernel is left compressed after all: its unpacked form has an unknown layout'

/** Bytes of those whose size is known. */
function sizeOf(parts: readonly InitrdPart[]): number {
  return parts.reduce((sum, { bytes }) => sum + ('read' in bytes ? bytes.size : 0), 0)
}
