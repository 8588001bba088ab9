/**
 * What a command line means to the kernel, written a second time and differently from src/cmdline: a walk over bytes in a
 * buffer that is overwritten in place, as lib/cmdline.c and kernel/params.c do it. Keys and values come back as latin1, so
 * that every byte is one character.
 */
export interface Meaning {
  readonly parameters: readonly (readonly [key: string, value: string | null])[]
  readonly init: readonly (readonly [key: string, value: string | null])[]
}

const NUL = 0
const SPACES = new Set([9, 10, 11, 12, 13, 32, 160])
const QUOTE = '"'.charCodeAt(0)
const EQUALS = '='.charCodeAt(0)

export function meaningOf(text: string): Meaning {
  const memory = Buffer.concat([Buffer.from(text), Buffer.of(NUL, NUL)])
  const kernel = readAll(memory, 0)
  return { parameters: kernel.found, init: readAll(memory, kernel.next).found }
}

/** Reads until the end or until a lone `--`, behind which `next` then points. */
function readAll(memory: Buffer, from: number) {
  const found: [string, string | null][] = []
  let next = skipSpaces(memory, from)
  while (memory[next] !== NUL) {
    const one = readOne(memory, next)
    next = one.next
    if (one.key === '--' && one.value === null) break
    found.push([one.key, one.value])
  }
  return { found, next }
}

function readOne(memory: Buffer, from: number) {
  let start = from
  let open = false
  if (memory[start] === QUOTE) {
    start++
    open = true
  }
  const startsQuoted = open
  let firstEquals = 0
  let at = start
  for (; memory[at] !== NUL; at++) {
    if (!open && SPACES.has(memory[at] as number)) break
    if (firstEquals === 0 && memory[at] === EQUALS && at > start) firstEquals = at
    if (memory[at] === QUOTE) open = !open
  }
  const more = memory[at] !== NUL
  let value = -1
  if (firstEquals !== 0) {
    memory[firstEquals] = NUL
    value = firstEquals + 1
    if (memory[value] === QUOTE) {
      value++
      if (memory[at - 1] === QUOTE) memory[at - 1] = NUL
    }
  }
  if (startsQuoted && memory[at - 1] === QUOTE) memory[at - 1] = NUL
  memory[at] = NUL
  return {
    key: stringAt(memory, start),
    value: value === -1 ? null : stringAt(memory, value),
    next: skipSpaces(memory, more ? at + 1 : at),
  }
}

function skipSpaces(memory: Buffer, from: number): number {
  let at = from
  while (SPACES.has(memory[at] as number)) at++
  return at
}

function stringAt(memory: Buffer, from: number): string {
  return memory.toString('latin1', from, memory.indexOf(NUL, from))
}
