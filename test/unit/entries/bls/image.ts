/** What a PE file is made of, for trees that no tool makes: several profiles, wrong sizes. */
export interface ImageParts {
  /** IMAGE_FILE_HEADER.Machine; x86-64 when left out. */
  readonly machine?: number
  /** In the order of the file. */
  readonly sections: readonly (readonly [name: string, content: string | Buffer])[]
  /** Changes the finished bytes. */
  readonly spoil?: (bytes: Buffer) => Buffer
}

const OPTIONAL_HEADER = 240
const ALIGNMENT = 512

/** A PE file as Microsoft's "PE Format" has it, of headers and sections only: no firmware would start it. */
export function peImage({ machine = 0x8664, sections, spoil = (bytes) => bytes }: ImageParts): Buffer {
  const headers = Buffer.alloc(round(0x40 + 24 + OPTIONAL_HEADER + sections.length * 40))
  headers.write('MZ')
  headers.writeUInt32LE(0x40, 0x3c)
  headers.write('PE\0\0', 0x40)
  headers.writeUInt16LE(machine, 0x44)
  headers.writeUInt16LE(sections.length, 0x46)
  headers.writeUInt16LE(OPTIONAL_HEADER, 0x54)
  headers.writeUInt16LE(0x20b, 0x58)
  const parts = [headers]
  let offset = headers.length
  for (const [index, [name, content]] of sections.entries()) {
    const bytes = Buffer.from(content)
    const padded = Buffer.concat([bytes], round(bytes.length))
    const header = headers.subarray(0x40 + 24 + OPTIONAL_HEADER + index * 40)
    header.write(name)
    header.writeUInt32LE(bytes.length, 8)
    header.writeUInt32LE(padded.length, 16)
    header.writeUInt32LE(offset, 20)
    parts.push(padded)
    offset += padded.length
  }
  return spoil(Buffer.concat(parts))
}

function round(size: number): number {
  return Math.ceil(size / ALIGNMENT) * ALIGNMENT
}
