import { oneLine } from '../../text.ts'
import { type Descriptor, stdout, terminalColumns } from './descriptor.ts'
import { type Style, styled } from './style.ts'

/**
 * Columns of a line: those of the terminal. Without a terminal there is no limit, since the reader of a pipe works by
 * lines.
 */
export function lineWidth(descriptor: Descriptor = stdout): number {
  return terminalColumns(descriptor) ?? Number.POSITIVE_INFINITY
}

/** The place and the look of a text. */
export interface Placement {
  /** Columns of a whole line. */
  readonly width: number
  /** Columns before the label. Default: 0. */
  readonly indent?: number
  /** Placed before the first line. Default: none. */
  readonly label?: string
  /**
   * Columns from the label to the text, including the label's own; a longer label pushes the first line on. Default:
   * those of the label.
   */
  readonly column?: number
  /** Columns of further lines behind `indent`. Default: `column`. */
  readonly hanging?: number
  readonly labelStyle?: Style | undefined
  readonly style?: Style | undefined
  /** The destination that decides about colours. Default: standard output. */
  readonly descriptor?: Descriptor
}

/**
 * A text as lines, beside its label: the part that does not fit on the first continues below. Control characters are
 * shown, not obeyed.
 */
export function placed(text: string, placement: Placement): string[] {
  const { width, indent = 0, label = '', style, labelStyle, descriptor = stdout } = placement
  const column = placement.column ?? (label === '' ? 0 : label.length + 1)
  const { hanging = column } = placement
  const shown = oneLine(label)
  const gap = ' '.repeat(shown === '' ? column : Math.max(1, column - shown.length))
  const margin = indent + hanging
  const head = shown.length + gap.length
  // A label with hanging lines below is treated as one of the words: together they are no wider than those lines.
  const isWord = shown !== '' && hanging !== column
  const lines = wrap(oneLine(text), width - margin, width - (isWord ? margin : indent) - head)
  return lines.map((line, row) => {
    const words = line === '' ? '' : paint(style, line, descriptor)
    if (row > 0) return ' '.repeat(margin) + words
    return (' '.repeat(indent) + paint(labelStyle, shown, descriptor) + gap + words).trimEnd()
  })
}

function paint(style: Style | undefined, text: string, descriptor: Descriptor): string {
  return style === undefined || text === '' ? text : styled(style, text, descriptor)
}

/** Between the columns of a table. */
const GAP = 2

/**
 * Rows as columns, each as wide as its widest cell, two spaces apart; the last is not padded. Each row is one line,
 * unless it is wider than `width`: then its last cell continues below itself.
 */
export function table(
  cells: readonly (readonly string[])[],
  { width = Number.POSITIVE_INFINITY, indent = 0 }: { readonly width?: number; readonly indent?: number } = {},
): string[] {
  const rows = cells.map((row) => row.map(oneLine))
  const widths: number[] = []
  for (const row of rows)
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length)
    })
  return rows.flatMap((row) => {
    const before = row.slice(0, -1).map((cell, column) => cell.padEnd((widths[column] ?? 0) + GAP))
    const margin = indent + before.join('').length
    return wrap(row.at(-1) ?? '', width - margin).map((line, index) =>
      (index === 0 ? ' '.repeat(indent) + before.join('') + line : ' '.repeat(margin) + line).trimEnd(),
    )
  })
}

/**
 * Breaks a text between words into lines of at most `width` characters, the first of at most `first`; a longer word has a line
 * of its own.
 */
export function wrap(text: string, width: number, first = width): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    const bound = lines.length === 1 ? first : width
    if (last !== undefined && last.length + 1 + word.length <= bound) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

/** Paragraphs of a text whose line breaks only divide its source; an empty line divides two. */
export function paragraphs(text: string, width: number): string[] {
  return text.split('\n\n').flatMap((each, index) => {
    const lines = wrap(each.replaceAll('\n', ' '), width)
    return index === 0 ? lines : ['', ...lines]
  })
}
