import { UsageError } from './command.ts'

const MINUTE = 60_000

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: MINUTE, h: 60 * MINUTE, d: 24 * 60 * MINUTE }

/**
 * A time in the form of `--at`: HH:MM is the next time the clock shows that; else ISO 8601 with a date, in local time
 * unless it names a zone. @throws UsageError
 */
export function parseTime(text: string, now: Date = new Date()): Date {
  const clock = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(text)
  if (clock !== null) {
    const next = new Date(now)
    next.setHours(Number(clock[1]), Number(clock[2]), 0, 0)
    if (next <= now) next.setDate(next.getDate() + 1)
    return next
  }
  const isDate = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:?\d\d)?$/.test(text)
  const date = new Date(isDate ? text.replace(' ', 'T') : Number.NaN)
  if (Number.isNaN(date.getTime())) {
    throw new UsageError(`--at takes a time such as 03:30 or 2026-11-21T03:30, not '${text}'`)
  }
  if (date <= now) throw new UsageError(`--at takes a time that is still to come, not '${text}'`)
  return date
}

/**
 * A duration in the form of `--delay`, in milliseconds: '90s', '10m', '1h30m'; a bare number is seconds. @throws
 * UsageError
 */
export function parseDuration(text: string): number {
  if (/^\d{1,8}$/.test(text)) return Number(text) * 1000
  if (!/^(\d{1,8}[smhd])+$/.test(text))
    throw new UsageError(`--delay takes a duration such as 90s, 10m or 1h30m, not '${text}'`)
  let sum = 0
  for (const [, amount, unit] of text.matchAll(/(\d+)([smhd])/g)) sum += Number(amount) * (UNITS[unit ?? ''] ?? 0)
  return sum
}
