/** Codes of what is wrong with an entry or a whole discovery: docs/remarks.md says what each means, and what to do. */
export const problemCodes = [
  'addon-refused',
  'configuration-mistake',
  'configuration-unreadable',
  'damaged-image',
  'internal-error',
  'left-out',
  'loaders-disagree',
  'missing-initrd',
  'missing-kernel',
  'no-initrd',
  'no-kernel',
  'no-modules',
  'no-permission',
  'not-a-kernel',
  'not-opened',
  'options-ignored',
  'out-of-reach',
  'stale-build',
  'too-many-initrds',
  'uncertain',
  'unknown-default',
  'unreadable-initrd',
  'unreadable-kernel',
] as const

export type ProblemCode = (typeof problemCodes)[number]

/** What is wrong with an entry, a boot loader's configuration or a whole discovery, or what could not be known of it. */
export interface Problem {
  readonly code: ProblemCode
  /** One sentence, which stands by itself. */
  readonly text: string
}

/** Problems of one kind. */
export function problemsOf(code: ProblemCode, texts: readonly string[]): Problem[] {
  return texts.map((text) => ({ code, text }))
}
