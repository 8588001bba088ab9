import type { ByteSource } from '../../bytes/bytes.ts'
import { System } from '../../system/system.ts'
import type { SignatureReport } from '../signature/cms/report.ts'
import type { ImaAttribute } from '../signature/ima.ts'
import type { SignatureOptions } from '../signature/inspect.ts'
import { openImage } from './open.ts'

/** The signatures of a file: those in it, and that beside it. */
export interface FileSignatures extends SignatureReport {
  /** The file's security.ima; null when it has none, or when it is unknown because the addon is missing. */
  readonly ima: ImaAttribute | null
}

/**
 * Reports a file's signatures, their signers, and whether they match its bytes: Authenticode, and one appended as on
 * kernel modules. Also reports its security.ima. Reads a signed file once, in pieces; needs no privilege and loads
 * nothing. It does not ask whether this machine trusts the signer.
 * @throws KexecError 'not-found', 'not-readable' or 'io'
 */
export async function inspectSignatures(
  path: string,
  options: SignatureOptions & { readonly system?: System } = {},
): Promise<FileSignatures> {
  const { system = new System() } = options
  const { fd, stats, source, close } = openImage(system, path)
  try {
    return await fileSignatures(source, stats?.isFile() ? fd : null, options)
  } finally {
    close()
  }
}

/** The same for an open file. @param fd null for an input that cannot have a security.ima */
export async function fileSignatures(
  source: ByteSource,
  fd: number | null,
  options: SignatureOptions,
): Promise<FileSignatures> {
  const { inspectSignatures: inspect } = await import('../signature/inspect.ts')
  const { readImaAttribute } = await import('../signature/ima.ts')
  const report = await inspect(source, options)
  return { ...report, ima: fd === null ? null : attributeOf(fd, readImaAttribute) }
}

/** All other facts are available without the addon. */
function attributeOf(fd: number, read: (fd: number) => ImaAttribute | null): ImaAttribute | null {
  try {
    return read(fd)
  } catch {
    return null
  }
}
