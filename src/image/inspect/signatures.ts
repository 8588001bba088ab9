import type { ByteSource } from '../../bytes/bytes.ts'
import { System } from '../../system/system.ts'
import type { SignatureReport } from '../signature/cms/report.ts'
import type { ImaAttribute } from '../signature/ima.ts'
import type { InspectSignaturesOptions } from '../signature/inspect.ts'
import { openImage } from './open.ts'

/** What is told of the signatures of a file: those in it, and that beside it. */
export interface FileSignatures extends SignatureReport {
  /** The file's security.ima; null when it has none, or when without the addon it cannot be told. */
  readonly ima: ImaAttribute | null
}

/**
 * Tells which signatures a file has, by whom, and whether they are true of its bytes: Authenticode, and one appended as on
 * kernel modules; and what its security.ima is. Reads a signed file once, in pieces; needs no privilege and loads nothing.
 * Whether this machine trusts the signer is not asked.
 * @throws KexecError 'not-found', 'not-readable' or 'io'
 */
export async function inspectSignatures(
  path: string,
  options: InspectSignaturesOptions & { readonly system?: System } = {},
): Promise<FileSignatures> {
  const { system = new System() } = options
  const { fd, stats, source, close } = openImage(system, path)
  try {
    return await fileSignatures(source, stats?.isFile() ? fd : null, options)
  } finally {
    close()
  }
}

/** The same of a file that is open. @param fd null for what can have no security.ima */
export async function fileSignatures(
  source: ByteSource,
  fd: number | null,
  options: InspectSignaturesOptions,
): Promise<FileSignatures> {
  const { inspectSignatures: inspect } = await import('../signature/inspect.ts')
  const { readImaAttribute } = await import('../signature/ima.ts')
  const report = await inspect(source, options)
  return { ...report, ima: fd === null ? null : attributeOf(fd, readImaAttribute) }
}

/** Everything else can be told without the addon, so it is. */
function attributeOf(fd: number, read: (fd: number) => ImaAttribute | null): ImaAttribute | null {
  try {
    return read(fd)
  } catch {
    return null
  }
}
