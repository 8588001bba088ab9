import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { memoryBytes } from '../../src/image/bytes.ts'
import { inspectSignatures } from '../../src/image/signature/index.ts'
import { type Kernel, newestKernels } from '../../src/vm/index.ts'

let kernels: readonly Kernel[]
let folder: string
beforeAll(async () => {
  kernels = await newestKernels()
  folder = mkdtempSync(join(tmpdir(), 'linux-kexec-debian-signature-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const inspect = (bytes: Buffer) => inspectSignatures(memoryBytes(bytes))

test("Debian's own signature fits its kernels, and the signer is whom sbverify names", async () => {
  for (const { image } of kernels) {
    const { signatures, checksumMatches, problems } = await inspect(readFileSync(image))
    expect({ checksumMatches, problems }).toEqual({ checksumMatches: true, problems: [] })
    expect(signatures).toHaveLength(1)
    expect(signatures[0]).toMatchObject({ digestMatches: true, contentMatches: true, signatureValid: true })
    const listed = execFileSync('sbverify', ['--list', image], { encoding: 'utf8' })
    const [, subject] = /subject: \/(.+)/.exec(listed) ?? []
    const [, issuer] = /issuer: +\/(.+)/.exec(listed) ?? []
    expect(signatures[0]?.signer).toMatchObject({ subject, issuer })
  }
})

test('a byte flipped in any region of a kernel that Debian signed is reported, as by sbverify', async () => {
  const image = kernels[0]?.image as string
  const bytes = readFileSync(image)
  const optional = bytes.readUInt32LE(0x3c) + 24
  const table = bytes.readUInt32LE(optional + 112 + 4 * 8)
  const key = certificateOf(image)
  const middles = Array.from({ length: 6 }, (_, index) => 0x1000 + Math.floor(((table - 0x1000) * index) / 6))
  for (const offset of [0x1f1, 0x202, optional + 16, ...middles, table - 1, bytes.length - 40]) {
    bytes[offset] = (bytes[offset] as number) ^ 0x10
    const { signatures, problems } = await inspect(bytes)
    expect(problems, `byte ${offset}`).not.toEqual([])
    expect(
      signatures.every((one) => one.digestMatches && one.signatureValid),
      `byte ${offset}`,
    ).toBe(false)
    expect(isAccepted(bytes, key), `byte ${offset}`).toBe(false)
    bytes[offset] = (bytes[offset] as number) ^ 0x10
  }
  expect(isAccepted(bytes, key)).toBe(true)
  bytes[optional + 64] = (bytes[optional + 64] as number) ^ 0x10
  expect(await inspect(bytes)).toMatchObject({ checksumMatches: false, signatures: [{ digestMatches: true }] })
})

/** The signer's certificate (PEM), taken out of the kernel by the real tools. */
function certificateOf(image: string): string {
  const [pkcs7, certificate] = [join(folder, 'pkcs7'), join(folder, 'certificate')]
  execFileSync('sbattach', ['--detach', pkcs7, copyOf(image)])
  const printed = execFileSync('openssl', ['pkcs7', '-inform', 'DER', '-in', pkcs7, '-print_certs'])
  writeFileSync(certificate, printed)
  return certificate
}

function copyOf(image: string): string {
  const copy = join(folder, 'copy')
  writeFileSync(copy, readFileSync(image))
  return copy
}

function isAccepted(bytes: Buffer, certificate: string): boolean {
  const path = join(folder, 'image')
  writeFileSync(path, bytes)
  try {
    execFileSync('sbverify', ['--cert', certificate, path], { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
}
