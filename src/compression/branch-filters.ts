/**
 * The branch filters of xz ("BCJ"): the encoder wrote the targets of calls as absolute addresses, which repeat and so
 * compress better; these write them relative again. "The .xz File Format", 5.3.2, and each architecture's instruction set.
 */
export interface Filter {
  /**
   * Undoes the filter on the next bytes. Bytes that may depend on later ones are kept until those have come, or until
   * `last`.
   */
  pass(bytes: Buffer, last: boolean): Buffer
}

/** Makes a filter that begins at an address, by filter id. */
export const branchFilters: ReadonlyMap<number, (start: number) => Filter> = new Map([
  [4, (start: number) => new BranchFilter(start, x86())],
  [5, (start: number) => new BranchFilter(start, powerpc)],
  [7, (start: number) => new BranchFilter(start, arm)],
  [8, (start: number) => new BranchFilter(start, thumb)],
  [10, (start: number) => new BranchFilter(start, arm64)],
  [11, (start: number) => new BranchFilter(start, riscv)],
])

/** Converts in place as much as it can. @returns the number of finished bytes */
type Convert = (bytes: Buffer, address: number) => number

class BranchFilter implements Filter {
  readonly #convert: Convert
  #address: number
  /** The last bytes, then the kept ones of them: reused each time. */
  #buffer: Buffer = Buffer.alloc(0)
  #keptAt = 0
  #kept = 0

  constructor(start: number, convert: Convert) {
    this.#address = start
    this.#convert = convert
  }

  pass(bytes: Buffer, last: boolean): Buffer {
    // A copy: the bytes are the decoder's window, which matches still refer to.
    const joined = this.#join(bytes)
    const done = this.#convert(joined, this.#address)
    this.#address = (this.#address + done) >>> 0
    this.#keptAt = done
    this.#kept = last ? 0 : joined.length - done
    return last ? joined : joined.subarray(0, done)
  }

  #join(bytes: Buffer): Buffer {
    const length = this.#kept + bytes.length
    const from = this.#buffer
    if (from.length < length) this.#buffer = Buffer.allocUnsafeSlow(length)
    from.copy(this.#buffer, 0, this.#keptAt, this.#keptAt + this.#kept)
    bytes.copy(this.#buffer, this.#kept)
    return this.#buffer.subarray(0, length)
  }
}

/** Adds to each byte the one `distance` before it. */
export class DeltaFilter implements Filter {
  readonly #history: Buffer
  #at = 0
  #buffer: Buffer = Buffer.alloc(0)

  constructor(distance: number) {
    this.#history = Buffer.alloc(distance)
  }

  pass(bytes: Buffer): Buffer {
    if (this.#buffer.length < bytes.length) this.#buffer = Buffer.allocUnsafeSlow(bytes.length)
    const result = this.#buffer.subarray(0, bytes.length)
    bytes.copy(result)
    for (let index = 0; index < result.length; index++) {
      const value = ((result[index] as number) + (this.#history[this.#at] as number)) & 255
      result[index] = value
      this.#history[this.#at] = value
      this.#at = (this.#at + 1) % this.#history.length
    }
    return result
  }
}

const word = (bytes: Buffer, at: number) => bytes.readUInt32LE(at)

/** CALL and JMP with a 32-bit displacement. The positions of earlier opcodes decide whether this one counts. */
function x86(): Convert {
  const allowed = [true, true, true, false, true, false, false, false]
  const bitNumber = [0, 1, 2, 2, 3, 3, 3, 3]
  const isEdge = (byte: number) => byte === 0x00 || byte === 0xff
  let mask = 0
  return (bytes, address) => {
    if (bytes.length <= 4) return 0
    const end = bytes.length - 4
    let previous = -1
    let at = 0
    for (; at < end; at++) {
      if (((bytes[at] as number) & 0xfe) !== 0xe8) continue
      const gap = at - previous
      if (gap > 3) mask = 0
      else {
        mask = (mask << (gap - 1)) & 7
        if (mask !== 0) {
          const byte = bytes[at + 4 - (bitNumber[mask] as number)] as number
          if (!allowed[mask] || isEdge(byte)) {
            previous = at
            mask = (mask << 1) | 1
            continue
          }
        }
      }
      previous = at
      if (!isEdge(bytes[at + 4] as number)) {
        mask = (mask << 1) | 1
        continue
      }
      let source = word(bytes, at + 1)
      let target: number
      for (;;) {
        target = (source - (address + at + 5)) >>> 0
        if (mask === 0) break
        const shift = (bitNumber[mask] as number) * 8
        if (!isEdge((target >>> (24 - shift)) & 255)) break
        source = (target ^ (2 ** (32 - shift) - 1)) >>> 0
      }
      target &= 0x01ffffff
      bytes.writeUInt32LE((target | -(target & 0x01000000)) >>> 0, at + 1)
      at += 4
      // The operand is not examined; the gap is counted from the opcode.
    }
    const gap = at - previous
    mask = gap > 3 ? 0 : mask << (gap - 1)
    return at
  }
}

/** BL with the condition "always". */
function arm(bytes: Buffer, address: number): number {
  const end = bytes.length & ~3
  for (let at = 0; at < end; at += 4) {
    if (bytes[at + 3] !== 0xeb) continue
    const target = ((word(bytes, at) << 2) - (address + at + 8)) >>> 2
    bytes.writeUInt32LE(((target & 0xffffff) | 0xeb000000) >>> 0, at)
  }
  return end
}

/** BL of two half words. */
function thumb(bytes: Buffer, address: number): number {
  let at = 0
  for (; at + 4 <= bytes.length; at += 2) {
    const first = bytes.readUInt16LE(at)
    const second = bytes.readUInt16LE(at + 2)
    if ((first & 0xf800) !== 0xf000 || (second & 0xf800) !== 0xf800) continue
    const source = ((first & 0x7ff) << 11) | (second & 0x7ff)
    const target = ((source << 1) - (address + at + 4)) >>> 1
    bytes.writeUInt16LE(0xf000 | ((target >>> 11) & 0x7ff), at)
    bytes.writeUInt16LE(0xf800 | (target & 0x7ff), at + 2)
    at += 2
  }
  return at
}

/** BL, and ADRP within 512 MiB. */
function arm64(bytes: Buffer, address: number): number {
  const end = bytes.length & ~3
  for (let at = 0; at < end; at += 4) {
    const instruction = word(bytes, at)
    const here = (address + at) >>> 0
    if (instruction >>> 26 === 0x25) {
      bytes.writeUInt32LE((0x94000000 | ((instruction - (here >>> 2)) & 0x03ffffff)) >>> 0, at)
    } else if ((instruction & 0x9f000000) >>> 0 === 0x90000000) {
      const source = ((instruction >>> 29) & 3) | ((instruction >>> 3) & 0x1ffffc)
      if (((source + 0x020000) & 0x1c0000) !== 0) continue
      const target = (source - (here >>> 12)) >>> 0
      const result =
        (instruction & 0x9000001f) |
        ((target & 3) << 29) |
        ((target & 0x03fffc) << 3) |
        (-(target & 0x020000) & 0xe00000)
      bytes.writeUInt32LE(result >>> 0, at)
    }
  }
  return end
}

/** Branches with AA = 0 and LK = 1, big endian. */
function powerpc(bytes: Buffer, address: number): number {
  const end = bytes.length & ~3
  for (let at = 0; at < end; at += 4) {
    const instruction = bytes.readUInt32BE(at)
    if ((instruction & 0xfc000003) >>> 0 !== 0x48000001) continue
    const target = ((instruction & 0x03fffffc) - (address + at)) & 0x03fffffc
    bytes.writeUInt32BE((0x48000001 | target) >>> 0, at)
  }
  return end
}

/**
 * JAL to ra or t0, and AUIPC with the instruction after it that uses its register. The encoder marks a converted pair
 * by an AUIPC to x2, which no compiler emits in such a place, and hides lookalikes by swapping their halves.
 */
function riscv(bytes: Buffer, address: number): number {
  let at = 0
  while (at + 8 <= bytes.length) {
    const first = bytes[at] as number
    if (first === 0xef) at += riscvJump(bytes, at, address)
    else if ((first & 0x7f) === 0x17) at += riscvPair(bytes, at, address)
    else at += 2
  }
  return at
}

/**
 * @returns the number of finished bytes
 */
function riscvJump(bytes: Buffer, at: number, address: number): number {
  const second = bytes[at + 1] as number
  if ((second & 0x0d) !== 0) return 2
  // The encoder wrote the target's 20 bits from the highest on.
  const target = ((second & 0xf0) << 13) | ((bytes[at + 2] as number) << 9) | ((bytes[at + 3] as number) << 1)
  const offset = (target - (address + at)) | 0
  bytes[at + 1] = (second & 0x0f) | ((offset >> 8) & 0xf0)
  bytes[at + 2] = ((offset >> 16) & 0x0f) | ((offset >> 7) & 0x10) | ((offset << 4) & 0xe0)
  bytes[at + 3] = ((offset >> 4) & 0x7f) | ((offset >> 13) & 0x80)
  return 4
}

/**
 * @returns the number of finished bytes
 */
function riscvPair(bytes: Buffer, at: number, address: number): number {
  const first = word(bytes, at)
  const second = word(bytes, at + 4)
  const register = (first >>> 7) & 31
  if (register !== 0 && register !== 2) {
    const isPair = (second & 3) === 3 && ((second >>> 15) & 31) === register
    if (!isPair) return 6
    bytes.writeUInt32LE((0x117 | (second << 12)) >>> 0, at)
    bytes.writeUInt32LE(((first & 0xfffff000) + (second >>> 20)) >>> 0, at + 4)
    return 8
  }
  const used = first >>> 27
  const isMarked = register === 2 && ((first >>> 12) & 3) === 3 && used !== 0 && used !== 2
  if (!isMarked) return 4
  const offset = (bytes.readUInt32BE(at + 4) - (address + at)) >>> 0
  bytes.writeUInt32LE((0x17 | (used << 7) | ((offset + 0x800) & 0xfffff000)) >>> 0, at)
  bytes.writeUInt32LE(((first >>> 12) | (offset << 20)) >>> 0, at + 4)
  return 8
}
