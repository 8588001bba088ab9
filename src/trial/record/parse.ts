import {
  type Check,
  fieldsOf,
  isNumber,
  isText,
  isTime,
  listOf,
  objectOf,
  orNull,
  wrongField,
} from '../../state/fields.ts'
import { loaderSettings } from '../model/loader-change.ts'
import { type TrialRecord, type TrialState, trialStates } from '../model/trial.ts'

/** Version of the record; a newer one is not read. */
const VERSION = 1

/** Reads a record. @returns in words why it cannot be trusted, when it cannot */
export function parseTrialRecord(text: string): TrialRecord | string {
  try {
    return trialRecordOf(JSON.parse(text))
  } catch {
    return 'it is not JSON, or is cut off'
  }
}

/** As `parseTrialRecord`, of a parsed value. */
export function trialRecordOf(value: unknown): TrialRecord | string {
  const problem = versionProblem(value)
  if (problem !== undefined) return problem
  const wrong = wrongField(value, recordFields)
  if (wrong !== undefined) return `its field ${wrong} is wrong`
  const record = value as TrialRecord
  if (record.times[record.state] === undefined) return `it does not say when it was ${record.state}`
  return record
}

/** Why a file of ours is not of this version; undefined when it is. */
export function versionProblem(value: unknown): string | undefined {
  const version = fieldsOf(value)['schemaVersion']
  if (version === VERSION) return undefined
  if (typeof version === 'number' && version > VERSION) return `a newer linux-kexec wrote it (version ${version})`
  return `its version is not ${VERSION}`
}

const isState: Check = (value) => trialStates.includes(value as TrialState)
const isFlag: Check = (value) => typeof value === 'boolean'
const isSpan: Check = (value) => typeof value === 'number' && Number.isFinite(value) && value > 0
const isId: Check = (value) => typeof value === 'string' && /^[\da-f]{16}$/.test(value)
const areTimes: Check = (value) =>
  typeof value === 'object' &&
  value !== null &&
  Object.entries(value).every(([state, time]) => isState(state) && isTime(time))

/** A field that earlier versions did not write. */
const orAbsent =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value)

const isFallback = objectOf({
  path: isText,
  variable: (value) => (loaderSettings as readonly unknown[]).includes(value),
  value: isText,
  before: orNull(isText),
})

const isEntry = objectOf({
  id: isText,
  title: isText,
  kernel: isText,
  initrds: listOf(isText),
  commandLine: orNull(isText),
  changed: orNull(isText),
})

const recordFields: Readonly<Record<Exclude<keyof TrialRecord, 'schemaVersion'>, Check>> = {
  id: isId,
  state: isState,
  times: areTimes,
  reason: orNull(isText),
  deadline: isSpan,
  guards: objectOf({
    panic: orNull(isNumber),
    watchdog: orNull(
      objectOf({
        name: isText,
        driver: orNull(isText),
        timeout: isNumber,
        latest: isNumber,
        armedBy: isText,
        until: isText,
      }),
    ),
    deadman: isFlag,
  }),
  target: objectOf({
    kernel: isText,
    release: orNull(isText),
    buildId: orAbsent(orNull(isText)),
    version: orAbsent(orNull(isText)),
    commandLine: isText,
    initrdSha256: orNull(isText),
    entry: orAbsent(orNull(isEntry)),
  }),
  rollback: orNull(objectOf({ entry: isText, title: isText, kernel: orNull(isText), reason: isText })),
  fallback: orAbsent(orNull(isFallback)),
  from: objectOf({ release: isText, bootId: isText }),
}
