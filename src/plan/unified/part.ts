import type { ByteSource } from '../../bytes/bytes.ts'

/** One of the archives that an initrd is joined of. */
export interface UnifiedPart {
  /** Where it comes from: '/efi/EFI/Linux/x.efi:.initrd', or the folder of the initrd that its files go to: '/.extra/credentials'. */
  readonly name: string
  /** Readable as long as the files are open. */
  readonly source: ByteSource
}
