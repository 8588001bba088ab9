import { type Check, fieldsOf, isNumber, isText, isTime, objectOf, orNull, wrongField } from '../../state/fields.ts'
import { isLoadedBy, type LoadedBy } from '../../state/record.ts'
import type { Stamp } from './stamp.ts'

/** The first look of the new kernel at itself. */
export interface Arrival {
  readonly bootId: string
  readonly stamp: Stamp
  /** The counter at the moment at which the new kernel started its init, a decimal number; null where it is unknown. */
  readonly initBegan: string | null
  /** Milliseconds by which it may be wrong; null where it is unknown. */
  readonly uncertainty: number | null
  /** Ticks of the counter in a millisecond; null where it is unknown. */
  readonly perMillisecond: number | null
  /** Why the moment is unknown, one clause; null when it is not. */
  readonly problem: string | null
}

/** A load by linux-kexec, and the kexec that it became. */
export interface KexecRecord {
  /** 16 hex digits. */
  readonly id: string
  /** The id of its trial; null for a plain load. */
  readonly trial: string | null
  /** The kernel that loaded it. */
  readonly from: { readonly release: string; readonly bootId: string }
  /** The kernel that was loaded, with its planned command line. */
  readonly to: {
    readonly kernel: string
    readonly release: string | null
    /** The number and time of its build, as `uname -v` shows them; null where the image does not contain them. */
    readonly version: string | null
    readonly commandLine: string
  }
  readonly engine: 'file' | 'segments'
  readonly by: LoadedBy
  /** Which kexec since the machine was started by its firmware: 1 for the first. Null where that is unknown. */
  readonly number: number | null
  readonly loaded: Stamp
  /** `linux-kexec reboot` began, while all services ran; null when something else rebooted the machine. */
  readonly begun: Stamp | null
  /** The last moment of the old kernel that could be written down; null where none could. */
  readonly left: Stamp | null
  /** Null until the new kernel was seen running. */
  readonly arrival: Arrival | null
  /** When its trial was confirmed, on the clocks of the new kernel. */
  readonly confirmed: Stamp | null
}

/** Version of the file; a newer one is not read. */
const VERSION = 1

/** Kexecs that are kept: 50, and one that is loaded. */
export const MOST = 51

/** Reads the file. @returns in words why it cannot be trusted, when it cannot */
export function parseKexecs(text: string): readonly KexecRecord[] | string {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return 'it is not JSON, or is cut off'
  }
  const { schemaVersion: version, kexecs } = fieldsOf(value)
  if (typeof version === 'number' && version > VERSION) return `a newer linux-kexec wrote it (version ${version})`
  if (version !== VERSION) return `its version is not ${VERSION}`
  if (!Array.isArray(kexecs) || kexecs.length > MOST) return 'its field kexecs is wrong'
  for (const [index, each] of kexecs.entries()) {
    const wrong = wrongField(each, fields)
    if (wrong !== undefined) return `kexec ${index + 1}: its field ${wrong} is wrong`
  }
  return kexecs as KexecRecord[]
}

export function printKexecs(kexecs: readonly KexecRecord[]): string {
  return `${JSON.stringify({ schemaVersion: VERSION, kexecs: kexecs.slice(-MOST) }, null, 2)}\n`
}

const isId: Check = (value) => typeof value === 'string' && /^[\da-f]{16}$/.test(value)
/** A counter has 64 bits. */
const isCounter: Check = (value) => typeof value === 'string' && /^-?\d{1,20}$/.test(value)
const isSpan: Check = (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0
const isRate: Check = (value) => isSpan(value) && (value as number) >= 1
const isStamp = objectOf({
  counter: orNull(isCounter),
  window: isNumber,
  frequency: orNull(isSpan),
  boottime: orNull(isSpan),
  raw: orNull(isSpan),
  at: isTime,
})

const fields: Readonly<Record<keyof KexecRecord, Check>> = {
  id: isId,
  trial: orNull(isId),
  from: objectOf({ release: isText, bootId: isText }),
  to: objectOf({ kernel: isText, release: orNull(isText), version: orNull(isText), commandLine: isText }),
  engine: (value) => value === 'file' || value === 'segments',
  by: isLoadedBy,
  number: orNull((value) => Number.isSafeInteger(value) && (value as number) > 0),
  loaded: isStamp,
  begun: orNull(isStamp),
  left: orNull(isStamp),
  arrival: orNull(
    objectOf({
      bootId: isText,
      stamp: isStamp,
      initBegan: orNull(isCounter),
      uncertainty: orNull(isSpan),
      perMillisecond: orNull(isRate),
      problem: orNull(isText),
    }),
  ),
  confirmed: orNull(isStamp),
}
