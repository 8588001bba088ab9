/** A name and a value; null for an unknown value, which is not shown. */
export type Row = readonly [name: string, value: string | null]

/** Rows under a heading. */
export interface Group {
  readonly heading: string
  readonly rows: readonly Row[]
}
