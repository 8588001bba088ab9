import { parseEnvironmentBlock } from '../../entries/grub/script/environment-block.ts'
import { textOfBytes } from '../../exact-text.ts'

/** The beginning of an environment block, as grub-editenv writes it. */
const SIGNATURE = Buffer.from('# GRUB Environment Block\n')

const LINE_BREAK = 0x0a
const BACKSLASH = 0x5c
const PADDING = 0x23

/**
 * An environment block with another value of one variable. Its length and everything else in it stay byte for byte; the
 * variable stays in its place, or comes last, as grub_envblk_set() of grub-core/lib/envblk.c has it.
 * @param value null removes the variable
 * @returns in words why that cannot be, when it cannot
 */
export function setVariable(block: Buffer, name: string, value: string | null): Buffer<ArrayBuffer> | string {
  if (!block.subarray(0, SIGNATURE.length).equals(SIGNATURE)) return 'it is not an environment block'
  const end = endOfContent(block)
  if (end === undefined) return 'it does not end with a line break and padding'
  const lines = linesOf(block.subarray(0, end)).filter((line) => line.length > 0)
  const isVariable = (line: Buffer) => line.subarray(0, name.length + 1).equals(Buffer.from(`${name}=`))
  const wanted = value === null ? [] : [Buffer.from(`${name}=${escaped(value)}\n`)]
  // Of a variable that is there twice GRUB takes the last value, so none of the others may stay.
  const last = lines.findLastIndex(isVariable)
  const changed = lines.flatMap((line, at) => (at === last ? wanted : isVariable(line) ? [] : [line]))
  const content = Buffer.concat(last < 0 ? [...lines, ...wanted] : changed)
  if (content.length > block.length) return 'it is full'
  return Buffer.concat([content, Buffer.alloc(block.length - content.length, PADDING)])
}

/** The value of a variable, as GRUB reads it; null when it is not set. */
export function variableIn(block: Buffer, name: string): string | null {
  return parseEnvironmentBlock(textOfBytes(block))?.get(name) ?? null
}

/** Behind the last line break only padding may stand, and that break is no part of a value. */
function endOfContent(block: Buffer): number | undefined {
  const end = block.lastIndexOf(LINE_BREAK) + 1
  const last = linesOf(block.subarray(0, end)).at(-1)
  if (last !== undefined && isEscaped(last)) return undefined
  return block.subarray(end).every((byte) => byte === PADDING) ? end : undefined
}

/** Its lines with their breaks; a break behind a backslash is part of a value. */
function linesOf(content: Buffer): Buffer[] {
  const lines: Buffer[] = []
  let start = 0
  for (let at = 0; at < content.length; at++) {
    if (content[at] === BACKSLASH) at++
    else if (content[at] === LINE_BREAK) {
      lines.push(content.subarray(start, at + 1))
      start = at + 1
    }
  }
  return start < content.length ? [...lines, content.subarray(start)] : lines
}

/** Whether the break at the end of a line stands behind a backslash that counts. */
function isEscaped(line: Buffer): boolean {
  let backslashes = 0
  while (line[line.length - 2 - backslashes] === BACKSLASH) backslashes++
  return backslashes % 2 === 1
}

function escaped(value: string): string {
  return value.replace(/[\\\n]/g, '\\$&')
}
