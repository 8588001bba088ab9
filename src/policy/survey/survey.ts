import type { System } from '../../system/system.ts'

/** The subject of a policy fact. */
export type PolicySubject =
  | 'kernel'
  | 'lockdown'
  | 'secure boot'
  | 'signature'
  | 'ima'
  | 'keyrings'
  | 'limits'
  | 'process'
  | 'container'
  | 'hypervisor'

/** One fact, as a sentence, with its file and the value read there. */
export interface PolicyReason {
  readonly subject: PolicySubject
  readonly text: string
  readonly source: string
  readonly value: string
}

/** A file that could not be read, and the facts it would have shown. */
export interface UnreadFact {
  readonly path: string
  /** 'not permitted', or the errno. */
  readonly why: string
  /** The facts it would add, to complete "it would show …". */
  readonly adds: string
}

/** Longest value quoted in a reason, in characters. */
const MAX_VALUE = 120

/** Reads a machine for its policy, and records the source of each fact and the files that could not be read. */
export class Survey {
  readonly system: System
  readonly reasons: PolicyReason[] = []
  readonly unread: UnreadFact[] = []

  constructor(system: System) {
    this.system = system
  }

  /** A text without white space around it, or undefined. A lack of permission is recorded. */
  text(path: string, adds: string, limit = 1024 * 1024): string | undefined {
    return this.bytes(path, adds, limit)?.toString('utf8').trim()
  }

  /** The bytes of a file, at most `limit`, or undefined. A lack of permission is recorded. */
  bytes(path: string, adds: string, limit: number): Buffer | undefined {
    try {
      return this.system.readHead(path, limit)
    } catch (error) {
      this.miss(path, (error as NodeJS.ErrnoException).code ?? 'unreadable', adds)
      return undefined
    }
  }

  note(subject: PolicySubject, text: string, source: string, value: string): void {
    const quoted = value.length > MAX_VALUE ? `${value.slice(0, MAX_VALUE - 1)}…` : value
    this.reasons.push({ subject, text, source, value: quoted })
  }

  /** A missing file is not recorded, only one that cannot be read. */
  miss(path: string, code: string, adds: string): void {
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') return
    const why = code === 'EACCES' || code === 'EPERM' ? 'not permitted' : code
    if (!this.unread.some((fact) => fact.path === path)) this.unread.push({ path, why, adds })
  }
}
