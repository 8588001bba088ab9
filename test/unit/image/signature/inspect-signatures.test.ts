import { X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { memoryBytes } from '../../../../src/image/bytes.ts'
import { inspectSignatures, type SignatureReport } from '../../../../src/image/signature/index.ts'
import { CERTIFICATE_ENTRY, CHECKSUM, peImage, SigningFolder } from './signed-images.ts'

const MARK = '~Module signature appended~\n'

let folder: SigningFolder
let signed: Buffer
let table: number
beforeAll(() => {
  folder = new SigningFolder()
  folder.makeKey('signer')
  folder.makeKey('other')
  signed = folder.sbsign(peImage(), 'signer')
  table = signed.readUInt32LE(CERTIFICATE_ENTRY)
})
afterAll(() => folder.remove())

const inspect = (bytes: Buffer) => inspectSignatures(memoryBytes(bytes))

function isClean({ signatures, problems }: SignatureReport): boolean {
  const isGood = signatures.every((one) => one.digestMatches && one.contentMatches && one.signatureValid)
  return signatures.length === 1 && isGood && problems.length === 0
}

function flipped(bytes: Buffer, offset: number, mask = 0xff): Buffer {
  const copy = Buffer.from(bytes)
  copy[offset] = (copy[offset] as number) ^ mask
  return copy
}

test('what sbsign signed is found whole, with the certificate that openssl made', async () => {
  const report = await inspect(signed)
  const x509 = new X509Certificate(folder.read('signer.crt'))
  expect(report).toMatchObject({ checksumMatches: true, problems: [] })
  expect(report.signatures).toHaveLength(1)
  expect(report.signatures[0]).toMatchObject({
    kind: 'authenticode',
    digestAlgorithm: 'sha256',
    digestMatches: true,
    contentMatches: true,
    signatureValid: true,
    signer: {
      subject: 'CN=signer, O=Example',
      issuer: 'CN=signer, O=Example',
      serial: x509.serialNumber,
      notBefore: new Date(x509.validFrom).toISOString(),
      notAfter: new Date(x509.validTo).toISOString(),
    },
  })
  const [, keyId] =
    /Subject Key Identifier: *\n *([0-9A-F:]+)/.exec(
      folder.run('openssl', 'x509', '-in', 'signer.crt', '-noout', '-text'),
    ) ?? []
  expect(report.signatures[0]?.signer?.subjectKeyId).toBe(keyId?.replaceAll(':', '').toLowerCase())
  expect(folder.sbverify(signed, 'signer')).toBe(true)
})

test('an unsigned program has no signature, and that is no problem', async () => {
  expect(await inspect(peImage())).toEqual({ signatures: [], checksumMatches: null, problems: [] })
  expect(await inspect(Buffer.from('#!/bin/sh\n'))).toEqual({ signatures: [], checksumMatches: null, problems: [] })
})

test('every flipped byte shows', async () => {
  const silent: number[] = []
  for (let offset = 0; offset < signed.length; offset++) {
    for (const mask of [0x01, 0xff]) if (isClean(await inspect(flipped(signed, offset, mask)))) silent.push(offset)
  }
  expect(silent).toEqual([])
}, 120_000)

test('every flipped byte shows in the signature alone, where no checksum was set', async () => {
  const bytes = Buffer.from(signed)
  bytes.writeUInt32LE(0, CHECKSUM)
  expect(await inspect(bytes)).toMatchObject({ checksumMatches: null, problems: [] })
  const silent: number[] = []
  for (let offset = 0; offset < bytes.length; offset++) {
    for (const mask of [0x01, 0xff]) if (isClean(await inspect(flipped(bytes, offset, mask)))) silent.push(offset)
  }
  expect(silent).toEqual([])
}, 120_000)

test('each region is named for what is wrong with it, and sbverify refuses it too', async () => {
  const section = flipped(signed, 0x450)
  expect((await inspect(section)).signatures[0]).toMatchObject({ digestMatches: false, signatureValid: true })
  expect((await inspect(section)).problems.join()).toContain('was changed after it was signed')
  const digestAt = signed.indexOf(Buffer.from((await inspect(signed)).signatures[0]?.digest ?? '', 'hex'), table)
  const digest = flipped(signed, digestAt)
  expect((await inspect(digest)).signatures[0]).toMatchObject({ digestMatches: false, contentMatches: false })
  const signature = flipped(signed, signed.length - 20)
  expect((await inspect(signature)).signatures[0]).toMatchObject({ digestMatches: true, signatureValid: false })
  for (const bytes of [section, digest, signature]) expect(folder.sbverify(bytes, 'signer')).toBe(false)
  const checksum = await inspect(flipped(signed, CHECKSUM))
  expect(checksum).toMatchObject({ checksumMatches: false })
  expect(checksum.signatures[0]).toMatchObject({ digestMatches: true, signatureValid: true })
  expect(checksum.problems).toEqual(['the checksum in the PE header does not fit the file'])
})

test('two signers are two signatures, each with its own certificate', async () => {
  const report = await inspect(folder.sbsign(signed, 'other'))
  expect(report.problems).toEqual([])
  expect(report.signatures.map(({ signer }) => signer?.subject)).toEqual([
    'CN=signer, O=Example',
    'CN=other, O=Example',
  ])
  expect(report.signatures.every(({ digestMatches, signatureValid }) => digestMatches && signatureValid)).toBe(true)
})

test("a signature that was moved to another file fits neither's digest", async () => {
  const another = peImage()
  another[0x450] = 1
  const moved = folder.sbsign(another, 'signer')
  signed.copy(moved, table, table)
  expect((await inspect(moved)).signatures[0]).toMatchObject({ digestMatches: false, signatureValid: true })
})

test('a module signature with its certificate is verified, and one without it is reported for what it is', async () => {
  const image = Buffer.from('a kernel of s390, as far as its signature is concerned'.repeat(100))
  folder.write('content', image)
  const sign = (...options: string[]) => {
    const how = ['-binary', '-noattr', '-nosmimecap', '-md', 'sha256', '-outform', 'DER']
    folder.run(
      'openssl',
      'cms',
      '-sign',
      ...how,
      ...options,
      '-signer',
      'signer.crt',
      '-inkey',
      'signer.key',
      '-in',
      'content',
      '-out',
      'cms',
    )
    const cms = folder.read('cms')
    const trailer = Buffer.alloc(12)
    trailer[2] = 2
    trailer.writeUInt32BE(cms.length, 8)
    return Buffer.concat([image, cms, trailer, Buffer.from(MARK)])
  }
  const whole = sign()
  expect((await inspect(whole)).problems).toEqual([])
  expect((await inspect(whole)).signatures[0]).toMatchObject({
    kind: 'module',
    signatureValid: true,
    digestAlgorithm: 'sha256',
  })
  expect((await inspect(flipped(whole, 17))).signatures[0]).toMatchObject({ signatureValid: false })
  const bare = await inspect(sign('-nocerts'))
  expect(bare.signatures[0]).toMatchObject({ kind: 'module', signatureValid: null, signer: null })
  expect(bare.problems.join()).toContain('did not come with the signature')
  const cut = flipped(whole, whole.length - MARK.length - 4)
  expect((await inspect(cut)).problems).toEqual(['the appended module signature has a damaged trailer'])
})

test('a certificate table anywhere, of any size, is answered with a sentence', async () => {
  const extremes = [
    0,
    1,
    7,
    8,
    table - 8,
    table + 8,
    signed.length - 1,
    signed.length,
    0x7fffffff,
    0x80000000,
    0xffffffff,
  ]
  for (const offset of extremes) {
    for (const size of extremes) {
      if (offset === 0 && size === 0) continue
      const bytes = Buffer.from(signed)
      bytes.writeUInt32LE(offset, CERTIFICATE_ENTRY)
      bytes.writeUInt32LE(size, CERTIFICATE_ENTRY + 4)
      expect((await inspect(bytes)).problems, `${offset} ${size}`).not.toEqual([])
    }
    const entry = Buffer.from(signed)
    entry.writeUInt32LE(offset, table)
    expect((await inspect(entry)).problems, `entry of ${offset}`).not.toEqual([])
  }
})

test('DER that is nested deeply is refused, not followed', async () => {
  const size = signed.length - table - 8
  const nested = Buffer.concat([signed.subarray(0, table + 8), Buffer.alloc(size)])
  for (let at = 0; at + 4 < size; at += 4) {
    nested.writeUInt16BE(0x3082, table + 8 + at)
    nested.writeUInt16BE(size - at - 4, table + 10 + at)
  }
  expect((await inspect(nested)).problems.join()).toContain('the signature cannot be read')
})

test('no bytes make it throw', async () => {
  const changes = fc.array(fc.tuple(fc.nat(signed.length - 1), fc.nat(255)), { maxLength: 12 })
  const headerChanges = fc.array(fc.tuple(fc.nat(0x220), fc.nat(255)), { maxLength: 12 })
  const damaged = fc.tuple(fc.oneof(changes, headerChanges), fc.nat(signed.length)).map(([list, length]) => {
    const bytes = Buffer.from(signed)
    for (const [offset, value] of list) bytes[offset] = value
    return length % 3 === 0 ? bytes.subarray(0, length) : bytes
  })
  const property = fc.asyncProperty(damaged, async (bytes) => {
    expect((await inspect(bytes)).problems).toBeInstanceOf(Array)
  })
  await fc.assert(property, { numRuns: 2000 })
}, 60_000)
