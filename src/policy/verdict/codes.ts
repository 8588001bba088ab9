/** Codes of what would have to be known to tell what the kernel will say: docs/remarks.md says what each means. */
export const missingCodes = [
  'confinement',
  'ima-appraisal',
  'initrd-ima-appraisal',
  'kexec-load-open',
  'seccomp-filter',
  'signature',
  'signature-required',
  'unreadable-fact',
] as const

export type MissingCode = (typeof missingCodes)[number]

/** What would have to be known. */
export interface MissingFact {
  readonly code: MissingCode
  /** To complete "not known is …". */
  readonly text: string
}

/** Codes of what is worth knowing of a load although it changes nothing. */
export const noteCodes = ['platform-obstacle', 'revoked-image', 'signature-broken'] as const

export type NoteCode = (typeof noteCodes)[number]

export interface VerdictNote {
  readonly code: NoteCode
  readonly text: string
}
