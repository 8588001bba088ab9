import { inspect } from 'node:util'
import { type Descriptor, stdout, terminalColumns } from './descriptor.ts'

export type Style = 'bold' | 'dim' | 'red' | 'yellow' | 'green'

/** Colours a text where it goes to a terminal and NO_COLOR (https://no-color.org) does not forbid it. */
export function styled(style: Style, text: string, descriptor: Descriptor = stdout): string {
  if (!isColoured(descriptor)) return text
  // styleText exists only since Node 20.12; it would check process.stdout, and take CI=1 for a reason against colours.
  const [begin, end] = inspect.colors[style] as [number, number]
  return `\x1b[${begin}m${text}\x1b[${end}m`
}

/** Whether styles are in use. */
export function isColoured(descriptor: Descriptor): boolean {
  return !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb' && terminalColumns(descriptor) !== undefined
}
