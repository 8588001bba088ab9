import type { ByteSource } from '../../bytes/bytes.ts'

/** One of the archives that are joined to the initrd. */
export interface UnifiedPart {
  /**
   * Its origin: '/efi/EFI/Linux/x.efi:.initrd', or the directory of the initrd that its files go to:
   * '/.extra/credentials'.
   */
  readonly name: string
  /** Readable as long as the files are open. */
  readonly source: ByteSource
}
