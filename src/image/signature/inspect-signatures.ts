import { createHash } from 'node:crypto'
import type { ByteSource } from '../bytes.ts'
import { certificateEntries } from './certificate-table.ts'
import { moduleSignature } from './module-signature.ts'
import { coverageProblem, hashImage, peChecksum } from './pe-digest.ts'
import { type PeLayout, peLayout } from './pe-layout.ts'
import { type ImageSignature, judgeAuthenticode, readSignature } from './verify.ts'

/** The signatures of an image, checked as far as the image alone allows: trust is for the keys of a machine to decide. */
export interface SignatureReport {
  readonly signatures: readonly ImageSignature[]
  /**
   * Whether CheckSum of the PE header fits the file: the one field besides the certificate table that a signature leaves out.
   * Null when the file is no PE file or the field is zero, which means that it was never set.
   */
  readonly checksumMatches: boolean | null
  /** Sentences, those of the signatures among them; empty when nothing is wrong. */
  readonly problems: readonly string[]
}

/**
 * Reads and verifies the Authenticode signatures of a PE file and an appended module signature. Reads the whole file once
 * where it is a PE file (twice where it is signed), a mebibyte at a time.
 * @throws Node's error of read(2); whatever the bytes are, they are answered.
 */
export async function inspectSignatures(source: ByteSource): Promise<SignatureReport> {
  const problems: string[] = []
  const layout = peLayout(source)
  if (typeof layout === 'string') problems.push(`the PE header ${layout}`)
  const isPe = layout !== null && typeof layout !== 'string'
  const signatures = isPe ? await authenticode(source, layout, problems) : []
  const appended = moduleSignature(source, problems)
  if (appended !== null) signatures.push(appended)
  const checksumMatches = isPe ? await compareChecksum(source, layout) : null
  if (checksumMatches === false) problems.push('the checksum in the PE header does not fit the file')
  return { signatures, checksumMatches, problems: [...problems, ...signatures.flatMap((one) => one.problems)] }
}

async function authenticode(source: ByteSource, layout: PeLayout, problems: string[]): Promise<ImageSignature[]> {
  if (layout.certificates === null) return []
  const read = certificateEntries(source, layout.certificates, problems).map(({ bytes, entry }) =>
    readSignature('authenticode', bytes, entry),
  )
  if (read.length === 0) return []
  const uncovered = coverageProblem(source.size, layout)
  if (uncovered !== null) {
    problems.push(`the digest of the file cannot be told: ${uncovered}`)
    return read.map((one) => judgeAuthenticode(one, null))
  }
  const names = [...new Set(read.flatMap(({ signature }) => signature.digestAlgorithm ?? []))]
  const hashes = names.map((name) => createHash(name))
  await hashImage(source, layout, hashes)
  const digests = new Map(names.map((name, index) => [name, hashes[index]?.digest('hex') ?? null]))
  return read.map((one) => judgeAuthenticode(one, digests.get(one.signature.digestAlgorithm ?? '') ?? null))
}

async function compareChecksum(source: ByteSource, layout: PeLayout): Promise<boolean | null> {
  const stored = source.read(layout.checksumOffset, 4)
  if (stored.length < 4 || stored.readUInt32LE(0) === 0) return null
  return stored.readUInt32LE(0) === (await peChecksum(source, layout))
}
