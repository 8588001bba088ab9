import type { System } from '../../../system/system.ts'
import { unreadable } from './crash-notes.ts'
import type { CoreContents, MappedRange } from './elf-core.ts'

/** An ELF file of the running memory: its program headers have virtual addresses, random since the boot (KASLR), and physical ones. */
const KCORE = '/proc/kcore'

const HEAD = 64 * 1024
const HEADER = 64
const ENTRY = 56
const LOAD = 1

/** Where the kernel maps itself and the memory, as far as they were found. */
export type Mappings = { -readonly [Key in 'kernel' | 'directMap']?: CoreContents[Key] }

/**
 * Reads where the running kernel maps itself and the memory.
 * @param see gets each range with physical addresses, in the order of the file, and takes those that it recognises
 * @throws KexecError 'not-readable' when one was not found
 */
export function readMappings(
  system: System,
  see: (range: MappedRange, found: Mappings) => void,
): Pick<CoreContents, 'kernel' | 'directMap'> {
  const bytes = readHead(system)
  const found: Mappings = {}
  const count = bytes.length < HEADER ? 0 : bytes.readUInt16LE(56)
  for (let at = HEADER; at + ENTRY <= Math.min(bytes.length, HEADER + count * ENTRY); at += ENTRY) {
    const [virtual, start] = [bytes.readBigUInt64LE(at + 16), Number(bytes.readBigUInt64LE(at + 24))]
    const end = start + Number(bytes.readBigUInt64LE(at + 40))
    // −1 for a range without a single physical address.
    const isMemory = bytes.readUInt32LE(at) === LOAD && Number.isSafeInteger(end) && end > start
    if (isMemory) see({ start, end, virtual }, found)
  }
  const { kernel, directMap } = found
  if (kernel === undefined || directMap === undefined)
    throw unreadable(KCORE, 'the place where the kernel maps its memory cannot be read')
  return { kernel, directMap }
}

function readHead(system: System): Buffer {
  try {
    return system.readHead(KCORE, HEAD)
  } catch {
    return Buffer.alloc(0)
  }
}
