/** Codes of an entry's or a whole discovery's problems: docs/remarks.md explains each, and its remedy. */
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

export type BootProblemCode = (typeof problemCodes)[number]

/** A fault of an entry, a boot loader's configuration or a whole discovery, or a fact about it that is unknown. */
export interface BootProblem {
  readonly code: BootProblemCode
  /** One sentence, which makes sense alone. */
  readonly text: string
}

/** Problems of one kind. */
export function problemsOf(code: BootProblemCode, texts: readonly string[]): BootProblem[] {
  return texts.map((text) => ({ code, text }))
}
