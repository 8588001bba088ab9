/** Bytes that a branch takes: the opcode and its target. */
const BRANCH = 5

/**
 * xz's branch filter for x86 backwards: the targets of E8 and E9, made absolute before compressing, become relative again.
 * "The .xz File Format", 5.3.2; which of them were converted depends on the opcodes in the four bytes before.
 */
export class X86Filter {
  private position = 0
  private held: Buffer = Buffer.alloc(0)
  /** Which of the last bytes looked like an opcode and were not converted, one bit each. */
  private mask = 0

  /** Takes bytes, and gives all but the last few, which may begin a branch. */
  push(piece: Buffer): Buffer {
    const bytes = Buffer.concat([this.held, piece])
    const done = this.convert(bytes)
    this.held = bytes.subarray(done)
    return bytes.subarray(0, done)
  }

  /** The bytes that were held back. */
  end(): Buffer {
    return this.held
  }

  private convert(bytes: Buffer): number {
    if (bytes.length < BRANCH) return 0
    const end = bytes.length - BRANCH + 1
    let [at, previous] = [0, -1]
    for (; at < end; at++) {
      const opcode = bytes[at] as number
      if ((opcode & 0xfe) !== 0xe8) continue
      const gap = at - previous
      previous = at
      this.mask = gap > 3 ? 0 : (this.mask << (gap - 1)) & 7
      if (this.isExcluded(bytes, at) || !isSign(bytes[at + 4] as number)) {
        this.mask = (this.mask << 1) | 1
        continue
      }
      bytes.writeInt32LE(this.relative(bytes.readUInt32LE(at + 1), this.position + at + BRANCH), at + 1)
      at += BRANCH - 1
    }
    const gap = at - previous
    this.mask = gap > 3 ? 0 : this.mask << (gap - 1)
    this.position += at
    return at
  }

  private isExcluded(bytes: Buffer, at: number): boolean {
    if (this.mask === 0) return false
    const isAllowed = this.mask === 1 || this.mask === 2 || this.mask === 4
    return !isAllowed || isSign(bytes[at + 4 - (bitNumber[this.mask] as number)] as number)
  }

  private relative(absolute: number, next: number): number {
    let source = absolute
    let target = (source - next) | 0
    const shift = (bitNumber[this.mask] as number) * 8
    while (this.mask !== 0 && isSign((target >>> (24 - shift)) & 0xff)) {
      source = target ^ (2 ** (32 - shift) - 1)
      target = (source - next) | 0
    }
    // 25 bits with their sign.
    return (target << 7) >> 7
  }
}

const bitNumber = [0, 1, 2, 2, 3, 3, 3, 3]
const isSign = (byte: number) => byte === 0 || byte === 0xff
