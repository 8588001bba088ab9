/** A change of a boot loader's files that makes a reset boot the fallback of a trial. */
export interface FallbackChange {
  /** The environment block of GRUB, free of links. */
  readonly path: string
  /** `next_entry` is for one boot; GRUB removes it then. */
  readonly variable: 'saved_entry' | 'next_entry'
  readonly value: string
  /** Its value before; null when it was not set. */
  readonly before: string | null
}
