/**
 * utmp(5) of glibc: records of 384 bytes on x86_64, where times have 32 bits in the file, and of 400 on other 64-bit
 * architectures; alike up to the host. Lengths in bytes.
 */
const RECORD_SIZES = [384, 400]
const LINE = { start: 8, length: 32 }
const USER = { start: 44, length: 32 }

const USER_PROCESS = 7
const LARGEST_TYPE = 9

/** More logins than any machine has. */
const MAX_LOGINS = 10_000

/** A user logged in at a terminal. */
export interface Login {
  readonly user: string
  /** Below /dev: 'tty1', 'pts/0'. */
  readonly terminal: string
}

/** The logins of a utmp file; none where the bytes are of another format. */
export function parseUtmp(bytes: Buffer): Login[] {
  const size = RECORD_SIZES.find((each) => bytes.length % each === 0 && hasTypes(bytes, each))
  if (size === undefined) return []
  const logins: Login[] = []
  for (let at = 0; at + size <= bytes.length && logins.length < MAX_LOGINS; at += size) {
    if (bytes.readInt16LE(at) !== USER_PROCESS) continue
    const [user, terminal] = [textAt(bytes, at, USER), textAt(bytes, at, LINE)]
    if (user !== '' && isTerminalName(terminal)) logins.push({ user, terminal })
  }
  return logins
}

/** Whether this is the name of a device below /dev, and leads nowhere else. */
export function isTerminalName(name: string): boolean {
  return /^(?:pts\/\d{1,10}|[A-Za-z][\w-]{0,30})$/.test(name)
}

function hasTypes(bytes: Buffer, size: number): boolean {
  for (let at = 0; at < bytes.length; at += size) {
    const type = bytes.readInt16LE(at)
    if (type < 0 || type > LARGEST_TYPE) return false
  }
  return true
}

function textAt(bytes: Buffer, record: number, { start, length }: typeof LINE): string {
  const field = bytes.subarray(record + start, record + start + length)
  const end = field.indexOf(0)
  return field.toString('utf8', 0, end < 0 ? length : end)
}
