import { execFileSync } from 'node:child_process'
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { beforeAll, expect, test } from 'vitest'
import { fileBytes, memoryBytes } from '../../src/bytes/bytes.ts'
import type { SignatureReport } from '../../src/image/signature/cms/report.ts'
import { inspectSignatures } from '../../src/image/signature/inspect.ts'
import { type Kernel, newestKernels } from '../../src/vm/index.ts'

// Debian's own signed kernels, whole; nothing is booted.
let kernels: Kernel[]
beforeAll(async () => {
  kernels = await newestKernels({ progress: (message) => console.error(`  ${message}`) })
})

async function inspectFile(path: string): Promise<SignatureReport> {
  const fd = openSync(path, 'r')
  try {
    return await inspectSignatures(fileBytes(fd, fstatSync(fd).size))
  } finally {
    closeSync(fd)
  }
}

test('Debian kernels: what we tell agrees with sbverify and osslsigncode', async () => {
  for (const { image } of kernels) {
    const report = await inspectFile(image)
    expect(report).toMatchObject({ verdict: 'intact', checksumMatches: true, refusedByKexec: [], problems: [] })
    expect(report.signatures).toMatchObject([{ digestMatches: true, signatureValid: true, problems: [] }])
    const [signature] = report.signatures
    const listed = execFileSync('sbverify', ['--list', image], { encoding: 'utf8' })
    expect(listed.match(/^signature \d+$/gm)).toEqual(['signature 1'])
    expect(signature?.signer?.subject?.startsWith('CN=Debian Secure Boot Signer')).toBe(true)
    expect(listed).toContain(`subject: /${signature?.signer?.subject}\n`)
    expect(listed).toContain(`issuer:  /${signature?.signer?.issuer}\n`)
    const verified = osslsigncode(image)
    expect(verified).toContain(`Calculated message digest : ${signature?.computedDigest?.toUpperCase()}`)
    expect(verified).toContain(`Serial : ${signature?.signer?.serialNumber}`)
  }
})

/** It fails for want of Debian's CA, which this machine does not trust, and prints all the same. */
function osslsigncode(image: string): string {
  try {
    return execFileSync('osslsigncode', ['verify', '-in', image], { encoding: 'utf8', stdio: 'pipe' })
  } catch (error) {
    return (error as { stdout: string }).stdout
  }
}

test('a flipped byte anywhere in a Debian kernel is reported', async () => {
  const bytes = readFileSync((kernels.at(-1) as Kernel).image)
  const places = { ...placesOf(bytes), ...scattered(bytes.length, 60) }
  const unnoticed: string[] = []
  for (const [place, offset] of Object.entries(places)) {
    const before = bytes[offset] as number
    bytes[offset] = before ^ (1 << (offset % 8))
    const { verdict } = await inspectSignatures(memoryBytes(bytes))
    if (verdict !== 'damaged') unnoticed.push(`${place} at ${offset}`)
    bytes[offset] = before
  }
  expect(unnoticed).toEqual([])
  expect((await inspectSignatures(memoryBytes(bytes))).verdict).toBe('intact')
})

/** One byte of every part of the file, by the PE format. */
function placesOf(bytes: Buffer): Record<string, number> {
  const pe = bytes.readUInt32LE(0x3c)
  const optional = pe + 24
  const entry = optional + 112 + 4 * 8
  const table = bytes.readUInt32LE(entry)
  const places: Record<string, number> = {
    'DOS mark': 0,
    'DOS stub': 0x20,
    'pointer to the PE header': 0x3c,
    'PE mark': pe,
    'number of sections': pe + 6,
    'kind of the optional header': optional,
    'size of headers': optional + 60,
    checksum: optional + 64,
    'number of directories': optional + 108,
    'address of the certificate table': entry,
    'size of the certificate table': entry + 4,
    'x86 setup header': 0x206,
    'end of headers': bytes.readUInt32LE(optional + 60) - 1,
    'before the certificate table': table - 1,
    'length of the signature': table,
    'revision of the signature': table + 4,
    'type of the signature': table + 6,
    'start of PKCS#7': table + 8,
    'image digest in the signature': table + 100,
    certificate: table + 400,
    'last byte': bytes.length - 1,
  }
  const sections = optional + bytes.readUInt16LE(pe + 20)
  for (let index = 0; index < bytes.readUInt16LE(pe + 6); index++) {
    const header = sections + index * 40
    const [length, offset] = [bytes.readUInt32LE(header + 16), bytes.readUInt32LE(header + 20)]
    const name = bytes.toString('latin1', header, header + 8).replaceAll('\0', '')
    places[`header of ${name}`] = header + 12
    Object.assign(places, { [`start of ${name}`]: offset, [`end of ${name}`]: offset + length - 1 })
    places[`middle of ${name}`] = offset + Math.floor(length / 2)
  }
  return places
}

function scattered(size: number, count: number): Record<string, number> {
  const offsets = Array.from({ length: count }, () => Math.floor(Math.random() * size))
  return Object.fromEntries(offsets.map((offset) => [`somewhere (${offset})`, offset]))
}
