import { createHash, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { memoryBytes } from '../../../src/bytes/bytes.ts'
import type { SignatureReport } from '../../../src/image/signature/cms/report.ts'
import { parseImaAttribute } from '../../../src/image/signature/ima.ts'
import { inspectSignatures } from '../../../src/image/signature/inspect.ts'
import { parseSignatureLists } from '../../../src/policy/keys/firmware-keys.ts'
import { type PredictOptions, predictAnswer, type VerdictImage } from '../../../src/policy/verdict/predict.ts'
import type { Tree } from '../entries/tree.ts'
import {
  backports,
  bookworm,
  bullseye,
  key,
  keys,
  lockdown,
  machine,
  policyOf,
  secureBoot,
  variable,
} from './machines.ts'

const texts = (remarks: readonly { text: string }[]) => remarks.map(({ text }) => text).join()

const directory = join(import.meta.dirname, '../../fixtures/signatures')
const file = (name: string) => readFileSync(join(directory, name))
const inspect = (bytes: Buffer) => inspectSignatures(memoryBytes(bytes))

/** Key identifiers of test/fixtures/signatures: the CA signed the signer's certificate, and the signer the image. */
const CA = '5a0661300061e6e2cbb7fd26a70ef677c16181cf'
const SIGNER = '27227ded8ad190b6c82870f53106aa72b4fd3e4b'

const unappraised = { owner: 0, fileSystem: 0xef53, attribute: null, digestMatches: null }
const image: VerdictImage = { isPe: true, file: unappraised, initrd: null }

const enforcing = [secureBoot(true), lockdown('integrity')]

async function verdict(name: string | Buffer | SignatureReport | null, tree: Tree, options?: PredictOptions) {
  const bytes = typeof name === 'string' ? file(name) : name
  const report = Buffer.isBuffer(bytes) ? await inspect(bytes) : bytes
  return predictAnswer(policyOf(tree), image, report, options)
}

/** Outcome, reason and errno, as the kernel would have them. */
async function told(...of: Parameters<typeof verdict>) {
  const { outcome, reason, code } = await verdict(...of)
  return [outcome, reason, code]
}

const taken = ['will-load', null, null]
const unsure = ['cannot-tell', null, null]
const refused = (reason: string, code: string) => ['will-be-refused', reason, code]

/** An image with one byte of its code changed. */
function flipped(name: string): Buffer {
  const bytes = Buffer.from(file(name))
  const at = bytes.length >> 2
  bytes[at] = (bytes[at] as number) ^ 1
  return bytes
}

describe('without enforcement', () => {
  test('everything loads, signed or not, and nobody need look', async () => {
    const plain = machine(bookworm)
    for (const what of ['sbsign.efi', 'stub.efi', flipped('sbsign.efi'), null])
      expect(await told(what, plain)).toEqual(taken)
    expect(texts((await verdict(flipped('sbsign.efi'), plain)).notes)).toContain('does not check')
  })
})

describe('under Secure Boot', () => {
  const trusted = machine(bookworm, ...enforcing, keys(key('Example, Inc.: Example Secure Boot CA', CA)))

  test("signed, and the issuer's key is in .platform", async () => {
    const answer = await verdict('sbsign.efi', trusted)
    expect([answer.outcome, answer.reason, answer.code]).toEqual(taken)
    expect(answer.summary).toContain('Example Secure Boot CA in .platform or .machine')
    expect(answer.evidence).toContainEqual({
      source: '/sys/kernel/security/lockdown',
      value: 'none [integrity] confidentiality',
    })
  })

  test("the signer's own key, built in", async () => {
    const own = machine(bookworm, ...enforcing, keys(key('Example kernel signer', SIGNER, '1f030000')))
    expect(await told('sbsign.efi', own)).toEqual(taken)
    expect(await told('pesign.efi', own)).toEqual(taken)
  })

  test('one byte changed, no signature, two signatures', async () => {
    expect(await told(flipped('sbsign.efi'), trusted)).toEqual(refused('signature-rejected', 'EKEYREJECTED'))
    expect(await told('stub.efi', trusted)).toEqual(refused('signature-rejected', 'ENODATA'))
    expect(await told('twice.efi', trusted)).toEqual(refused('signature-rejected', 'ELIBBAD'))
  })

  test('nobody vouches for the signer', async () => {
    const answer = await verdict('sbsign.efi', machine(bookworm, ...enforcing))
    expect([answer.outcome, answer.reason, answer.code]).toEqual(refused('signature-rejected', 'ENOKEY'))
    expect(answer.summary).toContain('Example kernel signer')
    expect(answer.hint).toContain('mokutil --import')
    // An untrusted signer is answered before the digest is looked at, as in verify_pefile_signature.
    expect(await told(flipped('sbsign.efi'), machine(bookworm, ...enforcing))).toEqual(
      refused('signature-rejected', 'ENOKEY'),
    )
  })

  test('a key that is there, but nobody can tell in which keyring', async () => {
    const other = machine(bookworm, ...enforcing, keys(key('Example Secure Boot CA', CA, '39010000')))
    const answer = await verdict('sbsign.efi', other)
    expect(answer.outcome).toBe('cannot-tell')
    expect(texts(answer.missing)).toContain('which keyring has')
  })

  test('a key that is revoked, and a certificate on the blacklist', async () => {
    const revoked = keys(key('Example Secure Boot CA', CA), key('Example kernel signer', SIGNER, '0b010000'))
    expect(await told('sbsign.efi', machine(bookworm, ...enforcing, revoked))).toEqual(
      refused('signature-rejected', 'EKEYREJECTED'),
    )
    const report = await inspect(file('sbsign.efi'))
    const tbs = report.signatures[0]?.certificates.find(({ keyId }) => keyId === SIGNER)?.tbs.sha256
    const line = `1f3d0d5b I------     1 perm 0b010000     0     0 blacklist tbs:${tbs}`
    const listed = keys(key('Example Secure Boot CA', CA), line)
    expect(await told('sbsign.efi', machine(bookworm, ...enforcing, listed))).toEqual(
      refused('signature-rejected', 'EKEYREJECTED'),
    )
  })

  test('an image that the firmware revoked loads all the same, and a note says so', async () => {
    const { authenticodeSha256 } = await inspect(file('sbsign.efi'))
    const dbx = variable(
      'dbx',
      signatureList('2616c4c14c509240aca941f936934328', Buffer.from(authenticodeSha256 as string, 'hex')),
    )
    const answer = await verdict('sbsign.efi', { ...trusted, ...dbx })
    expect(answer.outcome).toBe('will-load')
    expect(texts(answer.notes)).toContain('dbx')
  })

  test('the firmware lists images, keys and certificates by type', () => {
    const hash = (length: number) => Buffer.alloc(length, 0xab)
    const lists = Buffer.concat([
      signatureList('2616c4c14c509240aca941f936934328', hash(32)),
      signatureList('92a4d23bc0967940b420fcf98ef103ed', Buffer.concat([hash(32), Buffer.alloc(16)])),
      signatureList('a159c0a5e494a74a87b5ab155c2bf072', file('ca.der')),
    ])
    const sha256 = 'ab'.repeat(32)
    expect(parseSignatureLists(lists)).toEqual({
      images: [sha256],
      certificates: [`sha256:${sha256}`],
      keyIds: [CA],
    })
  })

  test('a list of the firmware of an unknown type is passed over', async () => {
    const { authenticodeSha256 } = await inspect(file('sbsign.efi'))
    const listed = signatureList('2616c4c14c509240aca941f936934328', Buffer.from(authenticodeSha256 as string, 'hex'))
    const unknown = signatureList('00112233445566778899aabbccddeeff', Buffer.alloc(48, 1))
    const dbx = variable('dbx', Buffer.concat([unknown, listed]))
    expect(texts((await verdict('sbsign.efi', { ...trusted, ...dbx })).notes)).toContain('dbx')
  })

  test('as a user: the keys cannot be seen, but those of the firmware can', async () => {
    const user = machine(bookworm, ...enforcing, { '/proc/keys': { text: '' } })
    expect(await told('sbsign.efi', user)).toEqual(unsure)
    // Whoever trusts it: the digest is wrong.
    expect(await told(flipped('sbsign.efi'), user)).toEqual(refused('signature-rejected', 'EKEYREJECTED'))
    expect(await told('stub.efi', user)).toEqual(refused('signature-rejected', 'ENODATA'))
    const db = variable('db', signatureList('a159c0a5e494a74a87b5ab155c2bf072', file('ca.der')))
    expect(await told('sbsign.efi', { ...user, ...db })).toEqual(taken)
    const { raw } = new X509Certificate(file('signer.der'))
    const hash = createHash('sha256').update(raw).digest()
    const other = variable('db', signatureList('2616c4c14c509240aca941f936934328', hash))
    expect(await told('sbsign.efi', { ...user, ...other })).toEqual(unsure)
  })

  test('a kernel inside something that is not unpacked yet', async () => {
    const answer = await verdict(null, trusted)
    expect(answer.outcome).toBe('cannot-tell')
    expect(texts(answer.missing)).toContain('only unpacked when it is loaded')
  })

  test('an algorithm that not every kernel knows', async () => {
    const report = await inspect(file('sbsign.efi'))
    const other = {
      ...report,
      signatures: report.signatures.map((each) => ({ ...each, signatureAlgorithm: 'rsa-pss' })),
    }
    expect(await told(other, trusted)).toEqual(unsure)
    expect(texts((await verdict(other, trusted)).missing)).toContain('rsa-pss')
  })

  test('signed before the certificate was valid', async () => {
    const report = await inspect(file('sbsign.efi'))
    const early = {
      ...report,
      signatures: report.signatures.map((each) => ({ ...each, signingTime: '1999-12-31T23:59:59.000Z' })),
    }
    expect(await told(early, trusted)).toEqual(refused('signature-rejected', 'EKEYREJECTED'))
  })

  test('signatures as on modules name their signer by a number that /proc/keys does not show', async () => {
    const s390 = '6.1.0-50-s390x'
    const config = {
      [`/boot/config-${s390}`]: {
        text: 'CONFIG_S390=y\nCONFIG_KEXEC_FILE=y\nCONFIG_KEXEC_SIG=y\n# CONFIG_MAGIC_SYSRQ is not set\n',
      },
    }
    const ipl = machine(s390, config, lockdown('integrity'), { '/sys/firmware/ipl/secure': { text: '1' } })
    expect(await told('module-signed', ipl)).toEqual(unsure)
    expect(await told('stub.efi', ipl)).toEqual(refused('lockdown', 'EPERM'))
    // By key identifier it is told whether the key is there; that the signature holds only the kernel can tell.
    expect(await told('module-signed-keyid', ipl)).toEqual(refused('lockdown', 'EPERM'))
    const known = { ...ipl, ...keys(key('Example Secure Boot CA', CA)) }
    expect(await told('module-signed-keyid', known)).toEqual(unsure)
  })
})

/** One EFI_SIGNATURE_LIST with one entry. */
function signatureList(type: string, content: Buffer): Buffer {
  const header = Buffer.alloc(28)
  header.write(type, 'hex')
  header.writeUInt32LE(28 + 16 + content.length, 16)
  header.writeUInt32LE(16 + content.length, 24)
  return Buffer.concat([header, Buffer.alloc(16, 7), content])
}

describe('through kexec_load, which gets no file', () => {
  const segments = { call: 'kexec_load' } as const

  test('nothing is checked on an ordinary machine, whatever the image', async () => {
    for (const what of ['stub.efi', flipped('sbsign.efi'), null])
      expect(await told(what, machine(bookworm), segments)).toEqual(taken)
  })

  test('lockdown refuses it, even for a signed kernel, and the hint names the other call', async () => {
    const answer = await verdict('sbsign.efi', machine(bookworm, lockdown('integrity')), segments)
    expect([answer.outcome, answer.reason, answer.code]).toEqual(refused('lockdown', 'EPERM'))
    expect(answer.hint).toContain('--engine file')
    expect(answer.evidence.map(({ source }) => source)).toContain('/sys/kernel/security/lockdown')
  })

  test('a rule of IMA on kernels refuses it', async () => {
    const rules = {
      '/sys/kernel/security/ima/policy': { text: 'appraise func=KEXEC_KERNEL_CHECK appraise_type=imasig' },
    }
    expect(await told(null, machine(bookworm, rules), segments)).toEqual(refused('ima-appraisal', 'EACCES'))
  })
})

describe('under lockdown alone the errno is EPERM, whatever was wrong', () => {
  const locked = (release: string, ...more: Tree[]) => machine(release, lockdown('integrity'), ...more)

  test.each([bullseye, bookworm, backports])('%s', async (release) => {
    for (const what of ['sbsign.efi', 'stub.efi', flipped('sbsign.efi')]) {
      expect(await told(what, locked(release))).toEqual(refused('lockdown', 'EPERM'))
    }
    expect(await told('sbsign.efi', locked(release, keys(key('Example Secure Boot CA', CA))))).toEqual(taken)
  })

  test('no such code in the kernel: nothing can pass', async () => {
    const text = 'CONFIG_X86_64=y\nCONFIG_KEXEC_FILE=y\nCONFIG_KEXEC_SIG=y\nCONFIG_DEBUG_KERNEL=y\n'
    const built = { [`/boot/config-${bookworm}`]: { text } }
    const answer = await verdict('sbsign.efi', locked(bookworm, built, keys(key('Example Secure Boot CA', CA))))
    expect([answer.outcome, answer.reason]).toEqual(['will-be-refused', 'lockdown'])
    expect(answer.summary).toContain('without the code')
  })
})

describe('the machine and the process', () => {
  test('switched off, used up, not there', async () => {
    const limit = (name: string): Tree => ({ [`/proc/sys/kernel/kexec_load_limit_${name}`]: { text: '0\n' } })
    const off = { '/proc/sys/kernel/kexec_load_disabled': { text: '1\n' } }
    expect(await told(null, machine(bookworm, off))).toEqual(refused('kexec-disabled', 'EPERM'))
    expect(await told(null, machine(backports, limit('reboot')))).toEqual(refused('load-limit', 'EPERM'))
    expect(await told(null, machine(backports, limit('reboot')), { panic: true })).toEqual(taken)
    expect(await told(null, machine(backports, limit('panic')), { panic: true })).toEqual(
      refused('load-limit', 'EPERM'),
    )
    expect(await told(null, machine('6.1.0-50-cloud-arm64'))).toEqual(refused('no-kexec-support', 'ENOSYS'))
  })

  test('without CAP_SYS_BOOT: refused to this process, and what another would be told', async () => {
    const user = { '/proc/self/status': { text: 'CapEff:\t0000000000000000\nSeccomp:\t0\n' } }
    const answer = await verdict('stub.efi', machine(bookworm, user))
    expect([answer.outcome, answer.reason, answer.code]).toEqual(refused('no-capability', 'EPERM'))
    expect(answer.privileged?.outcome).toBe('will-load')
    const locked = await verdict('stub.efi', machine(bookworm, user, lockdown('integrity')))
    expect([locked.reason, locked.privileged?.reason]).toEqual(['no-capability', 'lockdown'])
    // A call that is not there is answered before anyone's rights are asked for.
    expect(await told(null, machine('6.1.0-50-cloud-arm64', user))).toEqual(refused('no-kexec-support', 'ENOSYS'))
  })

  test('root of a user namespace, even one that maps all ids', async () => {
    const own = { '/proc/self/ns/user': { link: 'user:[4026532281]' } }
    expect(await told(null, machine(bookworm, own))).toEqual(refused('not-init-user-namespace', 'EPERM'))
  })

  test('a seccomp filter: nobody can read what it refuses', async () => {
    const filtered = { '/proc/self/status': { text: 'CapEff:\t000001ffffffffff\nSeccomp:\t2\n' } }
    expect(await told(null, machine(bookworm, filtered))).toEqual(unsure)
    expect(texts((await verdict(null, machine(bookworm, filtered))).missing)).toContain('seccomp')
    expect(await told(null, machine(bookworm, filtered, lockdown('integrity')))).toEqual(unsure)
  })

  test('nothing is known of the machine', async () => {
    const answer = await verdict('sbsign.efi', { '/etc/hostname': { text: 'x' } })
    expect(answer.outcome).toBe('cannot-tell')
    expect(texts(answer.missing)).toContain('whether a signature is required')
  })
})

describe('IMA', () => {
  const rule = (text: string): Tree => ({ '/sys/kernel/security/ima/policy': { text: `${text}\n` } })
  const signature = 'appraise func=KEXEC_KERNEL_CHECK appraise_type=imasig'
  const asks = machine(bookworm, rule(signature))
  const appraised = (attribute: VerdictImage['file']['attribute'], more = {}): VerdictImage => ({
    ...image,
    file: { ...unappraised, attribute, ...more },
  })
  const judged = (tree: Tree, what: VerdictImage) => {
    const { outcome, reason, code } = predictAnswer(policyOf(tree), what, null)
    return [outcome, reason, code]
  }

  test('no signature, a hash instead of one, a damaged one', () => {
    const hash = parseImaAttribute(Buffer.concat([Buffer.from([4, 4]), Buffer.alloc(32)]))
    for (const attribute of [null, hash, parseImaAttribute(Buffer.from([3, 2]))]) {
      expect(judged(asks, appraised(attribute))).toEqual(refused('ima-appraisal', 'EACCES'))
    }
    expect(judged(asks, appraised(undefined))).toEqual(unsure)
  })

  test('a signature: by a key that is not there, and by one that is', () => {
    const signed = parseImaAttribute(file('ima.sig'))
    expect(signed.keyId).toMatch(/^[0-9a-f]{8}$/)
    expect(judged(asks, appraised(signed))).toEqual(refused('ima-appraisal', 'EACCES'))
    const known = {
      ...asks,
      ...keys(key('The IMA key', `00112233445566778899aabbccddeeff${signed.keyId}`, '39010000')),
    }
    expect(judged(known, appraised(signed))).toEqual(unsure)
    expect(judged({ ...asks, '/proc/keys': { text: '' } }, appraised(signed))).toEqual(unsure)
  })

  test('a hash where a hash is enough', () => {
    const hash = parseImaAttribute(Buffer.concat([Buffer.from([4, 4]), Buffer.alloc(32)]))
    const tree = machine(bookworm, rule('appraise fowner=0'))
    expect(judged(tree, appraised(hash, { digestMatches: true }))).toEqual(taken)
    expect(judged(tree, appraised(hash, { digestMatches: false }))).toEqual(refused('ima-appraisal', 'EACCES'))
    expect(judged(tree, appraised(null, { owner: 1000 }))).toEqual(taken)
    expect(judged(tree, appraised(null, { owner: null }))).toEqual(unsure)
  })

  test('by file system: what is unpacked lies in memory', () => {
    const tree = machine(bookworm, rule('dont_appraise fsmagic=0x1021994\nappraise fowner=0 appraise_type=imasig'))
    expect(judged(tree, appraised(null, { fileSystem: 0x01021994 }))).toEqual(taken)
    expect(judged(tree, appraised(null, { fileSystem: 0xef53 }))).toEqual(refused('ima-appraisal', 'EACCES'))
  })

  test('the initrd too', () => {
    const tree = machine(bookworm, rule('appraise func=KEXEC_INITRAMFS_CHECK appraise_type=imasig'))
    expect(judged(tree, image)).toEqual(taken)
    expect(judged(tree, { ...image, initrd: unappraised })).toEqual(refused('ima-appraisal', 'EACCES'))
  })

  test('a signature that IMA is sure to check counts under lockdown', () => {
    const signed = appraised(parseImaAttribute(file('ima.sig')))
    const text = `CONFIG_INTEGRITY_TRUSTED_KEYRING=y\n`
    const config = machine(bookworm)[`/boot/config-${bookworm}`] as { text: string }
    const built = {
      [`/boot/config-${bookworm}`]: {
        text: config.text.replace('# CONFIG_INTEGRITY_TRUSTED_KEYRING is not set\n', text),
      },
    }
    const known = keys(key('The IMA key', `00112233445566778899aabbccddeeff${signed.file.attribute?.keyId}`))
    const locked = machine(bookworm, rule(signature), lockdown('integrity'), known)
    expect(policyOf({ ...locked, ...built }).signature).toMatchObject({ required: false, requiredBy: null })
    expect(judged({ ...locked, ...built }, signed)).toEqual(unsure)
    expect(policyOf(locked).signature.requiredBy).toBe('lockdown')
  })
})

test('every refusal says what to do and what it was read from', async () => {
  const user = { '/proc/self/status': { text: 'CapEff:\t0000000000000000\n' } }
  const machines = [machine(bookworm, user), machine(bookworm, lockdown('integrity')), machine(bookworm, ...enforcing)]
  for (const tree of machines) {
    const { hint, evidence, summary } = await verdict('stub.efi', tree)
    expect(hint).toMatch(/\.$|\.\)$/)
    expect(summary).not.toBe('')
    expect(evidence.length).toBeGreaterThan(0)
  }
})
