import type { Inspection } from '../../image/inspect/inspection.ts'
import type { FileSignatures } from '../../image/inspect/signatures.ts'
import type { ImageSignature, SignatureReport } from '../../image/signature/cms/report.ts'
import { localTime } from '../../text.ts'
import type { Group, Row } from './rows.ts'

/** The signatures in an inspection: of the file, and of the kernel in it. */
export function signatureGroups({ nested, signatures, kernelSignatures, kernel }: Inspection): Group[] {
  const [outermost] = nested
  const isSignable = outermost?.signature !== 'unknown' || signatures.present || signatures.verdict === 'damaged'
  return [
    {
      heading: 'Signature',
      rows: [
        ...(isSignable ? reportRows(signatures) : []),
        ['IMA', signatures.ima === null ? null : imaText(signatures.ima)],
      ],
    },
    {
      heading: 'Signature of the kernel inside',
      rows: kernelSignatures === null || kernel.signature === 'unknown' ? [] : reportRows(kernelSignatures),
    },
  ]
}

const verdicts: Record<SignatureReport['verdict'], string> = {
  unsigned: 'absent',
  intact: 'present and valid',
  unverified: 'present; not all of it could be checked',
  damaged: 'DAMAGED: these are not the bytes that were signed',
}

function reportRows(report: SignatureReport): Row[] {
  return [
    ['signature', verdicts[report.verdict]],
    ...report.signatures.flatMap(signatureRows),
    ...report.refusedByKexec.map((problem): Row => ['refused by Linux', problem]),
  ]
}

function signatureRows({ signer, hashAlgorithm, signingTime, digestMatches, unchecked }: ImageSignature): Row[] {
  const validity = signer?.notBefore && signer.notAfter ? `${day(signer.notBefore)} to ${day(signer.notAfter)}` : null
  const match = digestMatches === null ? 'not compared' : digestMatches ? 'matches' : 'does NOT match'
  return [
    ['signed by', signer?.subject ?? null],
    ['issued by', signer?.issuer ?? null],
    ['valid', validity],
    ['signed at', signingTime === null ? null : moment(signingTime)],
    ['hash', hashAlgorithm === null ? null : `${hashAlgorithm}, ${match}`],
    ...unchecked.map((each): Row => ['unchecked', each]),
  ]
}

function imaText({ kind, hashAlgorithm, keyId, problems }: NonNullable<FileSignatures['ima']>): string {
  const by = keyId === null ? '' : ` by the key that ends in ${keyId} (not verified)`
  return [`${kind}${hashAlgorithm === null ? '' : `, ${hashAlgorithm}`}${by}`, ...problems].join('; ')
}

/** A signer may have written anything. */
function moment(time: string): string {
  const at = new Date(time)
  return Number.isNaN(at.getTime()) ? time : localTime(at)
}

function day(time: string): string {
  return time.slice(0, 10)
}
