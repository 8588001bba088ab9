/** Checks of the fields of a record that was read: whether a value is of the kind that the record's type names. */
export type Check = (value: unknown) => boolean

/** Lists longer than any record's. */
const MAX_ITEMS = 100_000

export const isText: Check = (value) => typeof value === 'string'
export const isNumber: Check = (value) => typeof value === 'number'
/** ISO 8601, as our records write moments. */
export const isTime: Check = (value) => typeof value === 'string' && !Number.isNaN(Date.parse(value))

export const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value)

export const objectOf =
  (fields: Readonly<Record<string, Check>>): Check =>
  (value) =>
    wrongField(value, fields) === undefined

export const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.length <= MAX_ITEMS && value.every(check)

/** The name of the first field that is wrong; undefined when all are right. */
export function wrongField(value: unknown, fields: Readonly<Record<string, Check>>): string | undefined {
  const found = fieldsOf(value)
  return Object.entries(fields).find(([name, isRight]) => !isRight(found[name]))?.[0]
}

/** The fields of an object; of anything else none. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {}
}
