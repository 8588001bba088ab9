/** XXH32 and XXH64 with seed 0, as lz4 and zstd check their frames: doc/xxhash_spec.md of the xxHash project. */

const PRIME32 = [0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f, 0x165667b1] as const
/** Of XXH64, the upper and the lower half of each. */
const PRIME64 = [
  [0x9e3779b1, 0x85ebca87],
  [0xc2b2ae3d, 0x27d4eb4f],
  [0x165667b1, 0x9e3779f9],
  [0x85ebca77, 0xc2b2ae63],
  [0x27d4eb2f, 0x165667c5],
] as const

/** Cuts a stream into stripes of one size, and keeps an incomplete one. */
class Stripes {
  readonly rest: Buffer
  kept = 0
  total = 0

  constructor(size: number) {
    this.rest = Buffer.alloc(size)
  }

  /**
   * @param take gets a buffer and the two offsets between which it holds whole stripes
   */
  update(bytes: Buffer, take: (bytes: Buffer, start: number, end: number) => void): void {
    const size = this.rest.length
    this.total += bytes.length
    let at = 0
    if (this.kept > 0) {
      at = bytes.copy(this.rest, this.kept)
      this.kept += at
      if (this.kept < size) return
      take(this.rest, 0, size)
    }
    const end = bytes.length - ((bytes.length - at) % size)
    if (end > at) take(bytes, at, end)
    this.kept = bytes.copy(this.rest, 0, end)
  }
}

export class XxHash32 {
  readonly #stripes = new Stripes(16)
  readonly #lanes = Int32Array.of(PRIME32[0] + PRIME32[1], PRIME32[1], 0, -PRIME32[0])

  update(bytes: Buffer): void {
    this.#stripes.update(bytes, (part, start, end) => {
      let [a, b, c, d] = this.#lanes as unknown as [number, number, number, number]
      for (let at = start; at < end; at += 16) {
        a = round32(a, part.readInt32LE(at))
        b = round32(b, part.readInt32LE(at + 4))
        c = round32(c, part.readInt32LE(at + 8))
        d = round32(d, part.readInt32LE(at + 12))
      }
      this.#lanes.set([a, b, c, d])
    })
  }

  /** The hash, unsigned. */
  digest(): number {
    const { rest, kept, total } = this.#stripes
    const [a, b, c, d] = this.#lanes as unknown as [number, number, number, number]
    let hash = total < 16 ? PRIME32[4] : rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)
    hash = (hash + total) | 0
    let at = 0
    for (; at + 4 <= kept; at += 4) {
      hash = (hash + Math.imul(rest.readInt32LE(at), PRIME32[2])) | 0
      hash = Math.imul(rotate(hash, 17), PRIME32[3])
    }
    for (; at < kept; at++) {
      hash = (hash + Math.imul(rest[at] as number, PRIME32[4])) | 0
      hash = Math.imul(rotate(hash, 11), PRIME32[0])
    }
    hash = Math.imul(hash ^ (hash >>> 15), PRIME32[1])
    hash = Math.imul(hash ^ (hash >>> 13), PRIME32[2])
    return (hash ^ (hash >>> 16)) >>> 0
  }
}

function round32(lane: number, word: number): number {
  return Math.imul(rotate((lane + Math.imul(word, PRIME32[1])) | 0, 13), PRIME32[0])
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

/** A 64-bit number in the making: two of 32 bits, since JavaScript has no fast ones of 64. */
class Word64 {
  high = 0
  low = 0

  constructor(high = 0, low = 0) {
    this.high = high | 0
    this.low = low | 0
  }

  set(high: number, low: number): this {
    this.high = high
    this.low = low
    return this
  }

  add(high: number, low: number): this {
    const sum = (this.low + low) | 0
    this.high = (this.high + high + (sum >>> 0 < low >>> 0 ? 1 : 0)) | 0
    this.low = sum
    return this
  }

  xor(high: number, low: number): this {
    this.high ^= high
    this.low ^= low
    return this
  }

  multiply([high, low]: readonly [number, number]): this {
    const [a, b] = [this.low >>> 16, this.low & 0xffff]
    const [c, d] = [low >>> 16, low & 0xffff]
    const bottom = b * d
    const middle = a * d + (bottom >>> 16)
    const other = b * c + (middle & 0xffff)
    // Above 2^32 both sums stay exact as floating point numbers.
    const upper = a * c + Math.floor(middle / 0x10000) + Math.floor(other / 0x10000)
    this.high = (upper + Math.imul(this.high, low) + Math.imul(this.low, high)) | 0
    this.low = Math.imul(this.low, low)
    return this
  }

  /** @param bits 1 to 31 */
  rotate(bits: number): this {
    const { high, low } = this
    this.high = (high << bits) | (low >>> (32 - bits))
    this.low = (low << bits) | (high >>> (32 - bits))
    return this
  }

  /** Exclusive or with itself, shifted to the right. */
  fold(bits: number): this {
    const { high, low } = this
    if (bits >= 32) this.low ^= high >>> (bits - 32)
    else {
      this.high ^= high >>> bits
      this.low ^= (low >>> bits) | (high << (32 - bits))
    }
    return this
  }
}

export class XxHash64 {
  readonly #stripes = new Stripes(32)
  readonly #lanes = [
    new Word64(...PRIME64[0]).add(...PRIME64[1]),
    new Word64(...PRIME64[1]),
    new Word64(),
    new Word64(~PRIME64[0][0], -PRIME64[0][1]),
  ] as const

  update(bytes: Buffer): void {
    this.#stripes.update(bytes, (part, start, end) => {
      const word = new Word64()
      for (let at = start; at < end; at += 32) {
        for (let lane = 0; lane < 4; lane++) {
          const place = at + lane * 8
          round64(this.#lanes[lane] as Word64, word.set(part.readInt32LE(place + 4), part.readInt32LE(place)))
        }
      }
    })
  }

  /** The lower half of the hash, unsigned, which is the part that zstd keeps. */
  digestLow(): number {
    const { rest, kept, total } = this.#stripes
    const hash = total < 32 ? new Word64(...PRIME64[4]) : this.#merged()
    hash.add(Math.floor(total / 2 ** 32), total | 0)
    const word = new Word64()
    let at = 0
    for (; at + 8 <= kept; at += 8) {
      const { high, low } = round64(new Word64(), word.set(rest.readInt32LE(at + 4), rest.readInt32LE(at)))
      hash.xor(high, low).rotate(27).multiply(PRIME64[0])
      hash.add(...PRIME64[3])
    }
    if (at + 4 <= kept) {
      const { high, low } = word.set(0, rest.readInt32LE(at)).multiply(PRIME64[0])
      hash.xor(high, low).rotate(23).multiply(PRIME64[1])
      hash.add(...PRIME64[2])
      at += 4
    }
    for (; at < kept; at++) {
      const { high, low } = word.set(0, rest[at] as number).multiply(PRIME64[4])
      hash.xor(high, low).rotate(11).multiply(PRIME64[0])
    }
    hash.fold(33).multiply(PRIME64[1]).fold(29).multiply(PRIME64[2]).fold(32)
    return hash.low >>> 0
  }

  #merged(): Word64 {
    const hash = new Word64()
    for (const [index, { high, low }] of this.#lanes.entries()) {
      const turned = new Word64(high, low).rotate([1, 7, 12, 18][index] as number)
      hash.add(turned.high, turned.low)
    }
    for (const lane of this.#lanes) {
      const { high, low } = round64(new Word64(), new Word64(lane.high, lane.low))
      hash.xor(high, low).multiply(PRIME64[0])
      hash.add(...PRIME64[3])
    }
    return hash
  }
}

function round64(lane: Word64, word: Word64): Word64 {
  const { high, low } = word.multiply(PRIME64[1])
  return lane.add(high, low).rotate(31).multiply(PRIME64[0])
}
