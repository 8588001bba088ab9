import type { MatrixResult } from '../model/cell.ts'

/** Of cells that share a table. */
export function groupTitle({ architecture, engine, variant }: MatrixResult): string {
  return [architecture, `engine ${engine}`, ...(variant === '' ? [] : [variant])].join(', ')
}

/** A cell in one line, without its outcome. */
export function titleOf(cell: MatrixResult): string {
  return `${cell.from} → ${cell.to}, ${groupTitle(cell)}`
}
