/** A kind of file in which boot loaders keep the settings that choose their default. */
export interface SettingFile {
  /** The file, for messages: "GRUB's environment block". */
  readonly what: string
  /** A command that shows it. */
  readonly look: (path: string) => string
  /** The value of a setting, as the boot loader reads it; null when it is not set. */
  readonly valueIn: (content: Buffer, name: string) => string | null
  /**
   * The content with another value of one setting, and every other byte as it was. Taking a change back gives the former
   * content.
   * @param value null removes it
   * @returns in words why that cannot be, when it cannot
   */
  readonly withValue: (content: Buffer, name: string, value: string | null) => Buffer | string
  /** Puts a content into the file. @throws Node's error; the former content is then there, as far as it can be written */
  readonly write: (host: string, content: Buffer, former: Buffer) => void
}
