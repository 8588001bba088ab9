import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { memoryBytes } from '../../modules/bytes/bytes.js'
import { describeCertificate, readCertificate } from '../../modules/image/signature/cms/certificate.js'
import { readSignedData } from '../../modules/image/signature/cms/cms.js'
import { loadAsn1 } from '../../modules/image/signature/cms/der.js'
import { Unreadable } from '../../modules/image/signature/cms/report.js'
import { parseImaAttribute } from '../../modules/image/signature/ima.js'
import { inspectSignatures } from '../../modules/image/signature/inspect.js'
import { readAppendedSignature } from '../../modules/image/signature/module-signature.js'
import { readPeLayout } from '../../modules/image/signature/pe-layout.js'
import { readCertificateTable } from '../../modules/image/signature/win-certificates.js'
import { answered, Violations } from './sentence.mjs'

const fixtures = join(import.meta.dirname, '../fixtures/signatures')
const fixture = (name) => readFileSync(join(fixtures, name))
const certificates = [fixture('signer.der')]
const isUnreadable = (error) => error instanceof Unreadable

export const signatureTargets = [
  {
    name: 'authenticode',
    seeds: /\/signatures\/.*\.efi$/,
    parser: 'image/signature',
    reaches: 'readIndirectData',
    read: readSignatures,
  },
  {
    name: 'module-signature',
    seeds: /\/signatures\/module-/,
    parser: 'image/signature',
    reaches: 'checkAppendedSignature',
    read: readSignatures,
  },
  { name: 'cms', more: messages, parser: 'image/signature/cms/cms', reaches: 'readSigner', read: readMessage },
  {
    name: 'certificate',
    seeds: /\/signatures\/.*\.der$/,
    parser: 'image/signature/cms/certificate',
    reaches: 'readKeyId',
    read: readOneCertificate,
  },
  {
    name: 'ima-attribute',
    seeds: /\/signatures\/ima\.sig$/,
    more: () => [Buffer.from([1, ...Buffer.alloc(20, 7)]), Buffer.from([4, 4, ...Buffer.alloc(32, 7)])],
    parser: 'image/signature/ima',
    reaches: 'hash',
    read: (bytes) => {
      const violations = new Violations()
      violations.sentences(parseImaAttribute(bytes).problems)
      return violations.found
    },
  },
]

async function readSignatures(bytes) {
  const violations = new Violations()
  const { present, verdict, signatures, problems } = await inspectSignatures(memoryBytes(bytes), { certificates })
  violations.sentences(problems)
  for (const { problems, unchecked, digestMatches, signatureValid } of signatures) {
    violations.sentences([...problems, ...unchecked])
    const isWrong = digestMatches === false || signatureValid === false
    violations.check(!isWrong || problems.length > 0, 'a signature does not hold, and nothing says why')
  }
  const isClean = problems.length === 0 && signatures.every((signature) => signature.problems.length === 0)
  violations.check(!present || (verdict === 'damaged') !== isClean, `it is ${verdict} with ${problems.length} problems`)
  return violations.found
}

/** The PKCS#7 messages of the signed fixtures, alone. */
function messages() {
  const images = ['sbsign.efi', 'sbsign-ec.efi', 'osslsigncode.efi', 'nested.efi'].flatMap((name) => {
    const source = memoryBytes(fixture(name))
    return readCertificateTable(source, readPeLayout(source).layout.table).signatures
  })
  const modules = ['module-signed', 'module-signed-keyid', 'module-attributes'].map((name) => {
    return readAppendedSignature(memoryBytes(fixture(name))).der
  })
  return [...images, ...modules]
}

async function readMessage(bytes) {
  await loadAsn1()
  const violations = new Violations()
  const message = answered(violations, isUnreadable, () => readSignedData(bytes))
  violations.sentences(message?.problems ?? [])
  for (const { hashAlgorithm } of message?.signers ?? []) {
    violations.check(typeof hashAlgorithm === 'string', 'a signer has no hash algorithm')
  }
  return violations.found
}

async function readOneCertificate(bytes) {
  await loadAsn1()
  const violations = new Violations()
  const certificate = answered(violations, isUnreadable, () => readCertificate(bytes))
  if (certificate === undefined) return violations.found
  const { subject, issuer, serialNumber } = describeCertificate(certificate, [certificate])
  for (const text of [subject, issuer, serialNumber]) violations.check(typeof text === 'string', 'a text is missing')
  for (const text of [subject, issuer]) violations.check(!text.includes('\n'), 'a name has several lines')
  return violations.found
}
