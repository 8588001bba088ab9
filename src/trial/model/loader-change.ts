/** The settings by which boot loaders choose their default. */
export const loaderSettings = [
  /** A variable in GRUB's environment block. */
  'saved_entry',
  /** The same, for one boot: GRUB removes it then. */
  'next_entry',
  /** A line of extlinux.conf or syslinux.cfg. */
  'DEFAULT',
  /** The same, for a menu or prompt that nobody answers. */
  'ONTIMEOUT',
  /** A line of systemd-boot's loader.conf. */
  'default',
  /** An EFI variable of systemd-boot, in efivarfs. */
  'LoaderEntryDefault',
] as const
export type LoaderSetting = (typeof loaderSettings)[number]

/** A change of a boot loader's files that makes a reset boot another entry. */
export interface LoaderChange {
  /** The file, free of links. */
  readonly path: string
  readonly variable: LoaderSetting
  readonly value: string
  /** Its value before; null when it was not set. */
  readonly before: string | null
}
