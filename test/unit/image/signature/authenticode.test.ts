import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { memoryBytes } from '../../../../src/bytes/bytes.ts'
import { inspectSignatures } from '../../../../src/image/signature/inspect.ts'

// Signed by sbsign, pesign and osslsigncode; test/fixtures/signatures/README.md tells how.
const fixture = (name: string) => readFileSync(`test/fixtures/signatures/${name}`)
const inspect = (bytes: Buffer) => inspectSignatures(memoryBytes(bytes))

// As `pesign -h` and `osslsigncode verify` print it of each of them.
const sha256 = 'c118654b7a44510706a3be21119d5378483ad19b5ed418dbe447a5283672729d'
const sha384 = '3570746137a313d1a91d810d3f6b772f1ea072a25dd67c95a9b221f7c6ea69b392284d9db868d8e55c1df165dacf764d'

test('an image signed by sbsign is intact, and says who signed it', async () => {
  const report = await inspect(fixture('sbsign.efi'))
  expect(report).toMatchObject({
    present: true,
    verdict: 'intact',
    authenticodeSha256: sha256,
    checksumMatches: true,
    refusedByKexec: [],
    problems: [],
  })
  const signer = new X509Certificate(fixture('signer.der'))
  expect(report.signatures).toEqual([
    expect.objectContaining({
      kind: 'authenticode',
      hashAlgorithm: 'sha256',
      digest: sha256,
      computedDigest: sha256,
      digestMatches: true,
      signatureAlgorithm: 'rsa',
      signatureValid: true,
      signer: {
        subject: 'O=Example, CN=Example kernel signer',
        issuer: 'C=DE, O=Example\\, Inc., CN=Example Secure Boot CA',
        serialNumber: signer.serialNumber,
        keyId: expect.stringMatching(/^[0-9a-f]{40}$/),
        notBefore: new Date(signer.validFrom).toISOString(),
        notAfter: new Date(signer.validTo).toISOString(),
      },
      signingTime: expect.stringMatching(/^20\d\d-\d\d-\d\dT/),
      unchecked: [],
      problems: [],
    }),
  ])
  expect(report.signatures[0]?.certificates).toEqual([
    expect.objectContaining({ sha256: fingerprint(signer), keyType: 'rsa', keyBits: 2048, signatureValid: true }),
    expect.objectContaining({ sha256: fingerprint(new X509Certificate(fixture('ca.der'))), signatureValid: true }),
  ])
})

const fingerprint = (x509: X509Certificate) => x509.fingerprint256.replaceAll(':', '').toLowerCase()

test('other tools, keys and hashes', async () => {
  expect((await inspect(fixture('sbsign-ec.efi'))).signatures).toEqual([
    expect.objectContaining({ signatureAlgorithm: 'ecdsa', digest: sha256, digestMatches: true, signatureValid: true }),
  ])
  const report = await inspect(fixture('osslsigncode.efi'))
  expect(report).toMatchObject({ verdict: 'intact', authenticodeSha256: sha256 })
  expect(report.signatures).toEqual([
    expect.objectContaining({ hashAlgorithm: 'sha384', digest: sha384, computedDigest: sha384, signatureValid: true }),
  ])
})

test('pesign leaves the PE checksum of the unsigned image: that is no damage, but the checksum then covers nothing', async () => {
  const signed = fixture('pesign.efi')
  expect(await inspect(signed)).toMatchObject({ verdict: 'intact', checksumMatches: null, problems: [] })
  const checksum = signed.readUInt32LE(0x3c) + 24 + 64
  signed.writeUInt32LE(signed.readUInt32LE(checksum) ^ 0x100, checksum)
  expect(await inspect(signed)).toMatchObject({ verdict: 'damaged', checksumMatches: false })
})

test('two signatures on one image: firmware takes it, and Linux will not', async () => {
  const report = await inspect(fixture('twice.efi'))
  expect(report.verdict).toBe('intact')
  expect(report.signatures.map(({ signer }) => signer?.subject)).toEqual([
    'O=Example, CN=Example kernel signer',
    'C=DE, O=Example\\, Inc., CN=Example Secure Boot CA',
  ])
  expect(report.refusedByKexec.join()).toContain('exactly one entry')
})

test('a signature inside a signature', async () => {
  const { verdict, signatures, refusedByKexec } = await inspect(fixture('nested.efi'))
  expect(signatures.map(({ kind, hashAlgorithm }) => `${kind} ${hashAlgorithm}`)).toEqual([
    'authenticode sha384',
    'nested sha256',
  ])
  expect(signatures.every(({ digestMatches, signatureValid }) => digestMatches && signatureValid)).toBe(true)
  expect({ verdict, refusedByKexec }).toEqual({ verdict: 'intact', refusedByKexec: [] })
})

test('an unsigned image, and what is no PE image, have no signature and nothing wrong', async () => {
  const unsigned = { present: false, verdict: 'unsigned', signatures: [], problems: [] }
  expect(await inspect(fixture('stub.efi'))).toMatchObject(unsigned)
  expect(await inspect(Buffer.from('root=/dev/vda\n'))).toMatchObject(unsigned)
  expect(await inspect(Buffer.alloc(0))).toMatchObject(unsigned)
})

test('whichever byte is flipped, it is reported', async () => {
  const signed = fixture('sbsign.efi')
  const unnoticed: number[] = []
  for (let offset = 0; offset < signed.length; offset++) {
    const flipped = Buffer.from(signed)
    flipped[offset] = (flipped[offset] as number) ^ (1 << (offset % 8))
    const { verdict, problems, signatures } = await inspect(flipped)
    const said = [...problems, ...signatures.flatMap((signature) => signature.problems)]
    if (verdict !== 'damaged' || said.length === 0) unnoticed.push(offset)
  }
  expect(unnoticed).toEqual([])
})

test('what is flipped is told apart: contents, signature, checksum', async () => {
  const section = fixture('sbsign.efi')
  section[0x400] = 0
  expect(await inspect(section)).toMatchObject({
    checksumMatches: false,
    signatures: [
      {
        digestMatches: false,
        signatureValid: true,
        problems: [expect.stringContaining('not the one that was signed')],
      },
    ],
  })
  const signature = fixture('sbsign.efi')
  const end = signature.findLastIndex((byte) => byte !== 0)
  signature[end - 4] = (signature[end - 4] as number) ^ 1
  expect(await inspect(signature)).toMatchObject({ signatures: [{ digestMatches: true, signatureValid: false }] })
})

test('bytes put behind the certificate table, or taken from it', async () => {
  const signed = fixture('sbsign.efi')
  const longer = await inspect(Buffer.concat([signed, Buffer.alloc(8)]))
  expect(longer.verdict).toBe('damaged')
  expect(longer.problems.join()).toContain('8 bytes follow its certificate table')
  const shorter = await inspect(signed.subarray(0, -8))
  expect(shorter).toMatchObject({ present: true, verdict: 'damaged', signatures: [] })
  expect(shorter.problems.join()).toContain('outside the file')
})

test('a signature moved to another image is told for what it is', async () => {
  const [one, other] = [fixture('sbsign.efi'), fixture('sbsign-ec.efi')]
  one[0x400] = (one[0x400] as number) ^ 0x20
  const forged = Buffer.concat([one.subarray(0, tableOf(one)), other.subarray(tableOf(other))])
  forged.writeUInt32LE(other.length - tableOf(other), entryOf(forged) + 4)
  expect(await inspect(forged)).toMatchObject({ signatures: [{ digestMatches: false, signatureValid: true }] })
})

const entryOf = (image: Buffer) => image.readUInt32LE(0x3c) + 24 + 112 + 4 * 8
const tableOf = (image: Buffer) => image.readUInt32LE(entryOf(image))

test('it stops when it is told to', async () => {
  const signal = AbortSignal.abort(new Error('enough'))
  await expect(inspectSignatures(memoryBytes(fixture('sbsign.efi')), { signal })).rejects.toThrow('enough')
})
