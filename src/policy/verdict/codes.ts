/** Codes of missing facts for predicting the kernel's answer: docs/remarks.md explains each. */
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

/** A missing fact. */
export interface MissingFact {
  readonly code: MissingCode
  /** To complete "unknown: …". */
  readonly text: string
}

/** Codes of remarks on a load that do not change it. */
export const noteCodes = ['platform-obstacle', 'revoked-image', 'signature-broken'] as const

export type NoteCode = (typeof noteCodes)[number]

export interface VerdictNote {
  readonly code: NoteCode
  readonly text: string
}
