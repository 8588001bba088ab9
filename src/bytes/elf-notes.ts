/** Notes of ELF files (gABI, "Note Section"): three numbers, a name and a descriptor, each padded to four bytes. */

const HEADER = 12

/** NT_GNU_BUILD_ID of the notes with the name GNU (elf.h): the hash by which the linker tells one build from another. */
const NT_GNU_BUILD_ID = 3

/** The build id, in hexadecimal, or null. @param notes a note section, or a segment of type PT_NOTE */
export function buildIdIn(notes: Buffer, byteOrder: 'little' | 'big'): string | null {
  const long = (at: number) => (byteOrder === 'little' ? notes.readUInt32LE(at) : notes.readUInt32BE(at))
  for (let at = 0; at + HEADER <= notes.length; ) {
    const [nameSize, size, type] = [long(at), long(at + 4), long(at + 8)]
    const start = at + HEADER + padded(nameSize)
    const end = start + size
    if (end > notes.length) return null
    const name = notes.toString('latin1', at + HEADER, at + HEADER + nameSize)
    if (type === NT_GNU_BUILD_ID && name === 'GNU\0' && size > 0) return notes.toString('hex', start, end)
    at = start + padded(size)
  }
  return null
}

function padded(size: number): number {
  return Math.ceil(size / 4) * 4
}
