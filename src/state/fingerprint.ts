import type { System } from '../system/system.ts'
import { type HeldImage, readHeldImage } from './held-image.ts'
import { findImagePointers, findImagePointersMeanwhile, type ImagePointers } from './image-pointers.ts'
import { KernelMemory } from './kernel-memory.ts'
import { bootIdOf, type ImageKind } from './record.ts'
import type { StateDirectory } from './state-directory.ts'

/** The addresses stay for the whole boot, and looking them up again would take longer than all other steps. */
const POINTERS = 'pointers.json'

/** The places of the kernel's pointers: as recorded earlier in this boot, else looked up and recorded. Never throws. */
export function imagePointers(system: System, directory: StateDirectory): ImagePointers | string {
  return notedPointers(system, directory) ?? note(system, directory, findImagePointers())
}

/** The same off the event loop. */
export async function imagePointersMeanwhile(
  system: System,
  directory: StateDirectory,
): Promise<ImagePointers | string> {
  return notedPointers(system, directory) ?? note(system, directory, await findImagePointersMeanwhile())
}

/** The image that the running kernel holds. Reads a few pages of its memory; never throws. */
export function heldImage(pointers: ImagePointers | string, kind: ImageKind): HeldImage {
  if (typeof pointers === 'string') return { unreadable: pointers }
  const memory = KernelMemory.open()
  if (typeof memory === 'string') return { unreadable: memory }
  try {
    return readHeldImage(memory, pointers[kind])
  } finally {
    memory.close()
  }
}

function notedPointers(system: System, directory: StateDirectory): ImagePointers | undefined {
  const found = directory.read(POINTERS)
  if (!('text' in found)) return undefined
  const match = /^\{"bootId":"([0-9a-f-]{36})","kernel":"([0-9a-f]{1,16})","crash":"([0-9a-f]{1,16})"\}\n$/.exec(
    found.text,
  )
  if (match === null || match[1] !== bootIdOf(system)) return undefined
  return { kernel: BigInt(`0x${match[2]}`), crash: BigInt(`0x${match[3]}`) }
}

function note(system: System, directory: StateDirectory, pointers: ImagePointers | string): ImagePointers | string {
  if (typeof pointers === 'string') return pointers
  const [kernel, crash] = [pointers.kernel.toString(16), pointers.crash.toString(16)]
  try {
    directory.write(POINTERS, `${JSON.stringify({ bootId: bootIdOf(system), kernel, crash })}\n`)
  } catch {
    // They are looked up again the next time.
  }
  return pointers
}
