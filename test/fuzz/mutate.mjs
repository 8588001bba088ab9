/** A generator of numbers in [0, 1) that a seed determines (mulberry32): a finding can be made again. */
export function randomFrom(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x100000000
  }
}

/** Longest input that mutation makes, bytes; hostile sizes have tests of their own. */
const MAX_LENGTH = 64 * 1024

/** Bytes that parsers are tripped by: NUL, controls, quotes, brackets, not UTF-8, a sign. */
const awkward = [
  0x00, 0x01, 0x09, 0x0a, 0x0d, 0x20, 0x22, 0x23, 0x24, 0x27, 0x5c, 0x7b, 0x7d, 0x7f, 0x80, 0xc3, 0xfe, 0xff,
]

/** Numbers whose neighbours are where length checks fail. */
const edges = [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff]

/**
 * A changed copy of an input.
 * @param input Buffer
 * @param corpus other inputs, to splice with
 * @param words what the format is made of, as Buffers
 * @param random as `randomFrom` gives it
 */
export function mutate(input, corpus, words, random) {
  let bytes = Buffer.from(input)
  const changes = 1 + Math.floor(random() ** 3 * 12)
  for (let change = 0; change < changes; change++) bytes = changeOnce(bytes, corpus, words, random)
  return bytes.length > MAX_LENGTH ? bytes.subarray(0, MAX_LENGTH) : bytes
}

function changeOnce(bytes, corpus, words, random) {
  const below = (limit) => Math.floor(random() * limit)
  const at = below(bytes.length + 1)
  const splice = (start, removed, added) =>
    Buffer.concat([bytes.subarray(0, start), added, bytes.subarray(Math.min(start + removed, bytes.length))])
  switch (below(11)) {
    case 0:
      return splice(at, 1, Buffer.from([below(256)]))
    case 1:
      return splice(at, below(2), Buffer.from([awkward[below(awkward.length)]]))
    case 2:
      return splice(at, 1 + below(random() < 0.8 ? 8 : bytes.length), Buffer.alloc(0))
    case 3: // a part again, somewhere else
      return splice(at, 0, bytes.subarray(below(bytes.length), below(bytes.length)))
    case 4: // a part many times
      return splice(at, 0, repeated(bytes.subarray(at, at + 1 + below(16)), below(200)))
    case 5: {
      const other = corpus[below(corpus.length)]
      const start = below(other.length)
      return splice(at, below(64), other.subarray(start, start + below(256)))
    }
    case 6:
    case 7:
      return splice(at, random() < 0.5 ? 0 : below(8), words[below(words.length)] ?? Buffer.alloc(0))
    case 8: {
      // a line swapped away or doubled
      const start = bytes.lastIndexOf(10, Math.max(0, at - 1)) + 1
      const end = (bytes.indexOf(10, at) + 1 || bytes.length) - start
      const line = Buffer.from(bytes.subarray(start, start + end))
      return random() < 0.5 ? splice(start, end, Buffer.alloc(0)) : splice(start, 0, line)
    }
    case 9: {
      // a number of a header
      const number = Buffer.alloc(4)
      number.writeUInt32LE(edges[below(edges.length)])
      return splice(at, 1 << below(3), number.subarray(0, 1 << below(3)))
    }
    default:
      return splice(at, 1, Buffer.from([(bytes[at] ?? 0) ^ (1 << below(8))]))
  }
}

function repeated(part, times) {
  return Buffer.concat(Array.from({ length: times }, () => part))
}

/** The words that inputs are made of, for `mutate`. */
export function wordsOf(inputs) {
  const words = new Set()
  for (const input of inputs) {
    for (const word of input.toString('latin1').match(/[\w$@.:=/-]{2,40}|[^\w\s]{1,3}/g) ?? []) {
      if (words.size < 4000) words.add(word)
    }
  }
  return [...words].map((word) => Buffer.from(word, 'latin1'))
}
