import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { memoryBytes } from '../../../../src/bytes/bytes.ts'
import { inspectSignatures } from '../../../../src/image/signature/inspect.ts'

// Signed by the kernel's sign-file and by openssl; test/fixtures/signatures/README.md tells how.
const fixture = (name: string) => readFileSync(`test/fixtures/signatures/${name}`)
const certificates = [fixture('signer.der'), fixture('ca.der')]
const inspect = (bytes: Buffer, known: readonly Buffer[] = []) =>
  inspectSignatures(memoryBytes(bytes), { certificates: known })

test('a signature by sign-file brings no key: only who has the certificate can tell', async () => {
  const report = await inspect(fixture('module-signed'))
  expect(report).toMatchObject({ present: true, verdict: 'unverified', problems: [] })
  expect(report.signatures).toEqual([
    expect.objectContaining({
      kind: 'module',
      hashAlgorithm: 'sha256',
      digest: null,
      signatureValid: null,
      signer: expect.objectContaining({ subject: null, issuer: 'C=DE, O=Example\\, Inc., CN=Example Secure Boot CA' }),
      unchecked: [expect.stringContaining('keyring')],
      problems: [],
    }),
  ])
  expect(await inspect(fixture('module-signed'), certificates)).toMatchObject({
    verdict: 'intact',
    signatures: [{ signatureValid: true, signer: { subject: 'O=Example, CN=Example kernel signer' } }],
  })
})

test('a signer named by its key id', async () => {
  const { signatures } = await inspect(fixture('module-signed-keyid'))
  expect(signatures).toMatchObject([{ signer: { issuer: null, keyId: expect.stringMatching(/^[0-9a-f]{40}$/) } }])
  expect(await inspect(fixture('module-signed-keyid'), certificates)).toMatchObject({
    verdict: 'intact',
    signatures: [{ hashAlgorithm: 'sha512', signatureValid: true }],
  })
})

test('with attributes the digest is told, and with a certificate it is verified', async () => {
  const report = await inspect(fixture('module-attributes'))
  expect(report).toMatchObject({ verdict: 'intact', signatures: [{ digestMatches: true, signatureValid: true }] })
  const changed = fixture('module-attributes')
  changed[0] = 0
  expect(await inspect(changed)).toMatchObject({
    verdict: 'damaged',
    signatures: [{ digestMatches: false, signatureValid: true }],
  })
})

test('whichever byte is flipped, the file is not taken for intact', async () => {
  const signed = fixture('module-signed')
  const unnoticed: number[] = []
  for (let offset = 0; offset < signed.length; offset++) {
    const flipped = Buffer.from(signed)
    flipped[offset] = (flipped[offset] as number) ^ (1 << (offset % 8))
    if ((await inspect(flipped, certificates)).verdict === 'intact') unnoticed.push(offset)
  }
  expect(unnoticed).toEqual([])
})

test('an EFI image with a signature appended behind its own has both', async () => {
  const trailer = fixture('module-signed').subarray('not a kernel, but signed like one\n'.length)
  const { signatures } = await inspect(Buffer.concat([fixture('sbsign.efi'), trailer]), certificates)
  expect(signatures).toMatchObject([
    { kind: 'authenticode', digestMatches: true, signatureValid: true },
    { kind: 'module', signatureValid: false },
  ])
})

test('trailers that lie are named', async () => {
  const mark = Buffer.from('~Module signature appended~\n')
  const trailer = (idType: number, length: number) => {
    const bytes = Buffer.alloc(12)
    bytes[2] = idType
    bytes.writeUInt32BE(length, 8)
    return Buffer.concat([Buffer.from('body'), bytes, mark])
  }
  const problemOf = async (bytes: Buffer) => (await inspect(bytes)).signatures[0]?.problems.join()
  expect(await problemOf(mark)).toContain('has none')
  expect(await problemOf(trailer(2, 0xffffffff))).toContain('more than the file before it')
  expect(await problemOf(trailer(2, 4))).toContain('not readable ASN.1')
  expect(await problemOf(trailer(1, 4))).toContain('X.509')
})
