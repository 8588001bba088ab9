import { execFileSync } from 'node:child_process'
import {
  closeSync,
  copyFileSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileBytes } from '../../../src/bytes/bytes.ts'
import type { SignatureReport } from '../../../src/image/signature/cms/report.ts'
import { inspectSignatures } from '../../../src/image/signature/inspect.ts'
import type { ImageEntry, Kernel } from '../../../src/vm/index.ts'

/** The kernels that each machine is asked to take. */
export const imageNames = ['signed', 'flipped', 'unsigned', 'own', 'forbidden', 'appraised'] as const
export type ImageName = (typeof imageNames)[number]

/** What the table calls them. */
export const imageTitles: Readonly<Record<ImageName, string>> = {
  signed: "Debian's signed kernel",
  flipped: 'the same, one byte flipped',
  unsigned: 'the same, signature removed',
  own: 'signed by a key of our own',
  forbidden: "Debian's, its digest in dbx",
  appraised: 'unsigned, with an IMA signature',
}

/** The kernels, the keys that signed them, and what puts them into a guest. */
export interface ModeImages {
  readonly files: Readonly<Record<ImageName, string>>
  readonly reports: Readonly<Record<ImageName, SignatureReport>>
  /** Our certificate, X.509 in DER. */
  readonly certificate: Buffer
  /** What security.ima of 'appraised' is to be, hexadecimal. */
  readonly attribute: string
  readonly entries: readonly ImageEntry[]
}

/** Makes them of Debian's kernel in a directory, with real tools, unless they are there already. */
export async function makeImages(directory: string, kernel: Kernel, older: Kernel): Promise<ModeImages> {
  const path = (name: string) => join(directory, name)
  const files = Object.fromEntries(imageNames.map((name) => [name, path(name)])) as Record<ImageName, string>
  const stamp = `${kernel.image}\n${older.image}\n`
  if (!existsSync(path('made-of')) || readFileSync(path('made-of'), 'utf8') !== stamp) {
    mkdirSync(directory, { recursive: true })
    makeKey(directory)
    copyFileSync(kernel.image, files.signed)
    copyFileSync(older.image, files.forbidden)
    const bytes = readFileSync(kernel.image)
    const middle = bytes.length >> 1
    bytes[middle] = (bytes[middle] as number) ^ 1
    writeFileSync(files.flipped, bytes)
    copyFileSync(kernel.image, files.unsigned)
    run('sbattach', '--remove', files.unsigned)
    run('sbsign', '--key', path('key.pem'), '--cert', path('certificate.pem'), '--output', files.own, files.unsigned)
    copyFileSync(files.unsigned, files.appraised)
    run('evmctl', 'ima_sign', '--hashalgo', 'sha256', '--key', path('key.pem'), '--sigfile', files.appraised)
    writeFileSync(path('made-of'), stamp)
  }
  const certificate = readFileSync(path('certificate.der'))
  const attribute = readFileSync(path('appraised.sig')).toString('hex')
  return {
    files,
    reports: await reportsOf(files),
    certificate,
    attribute,
    entries: [
      { path: '/images', directory: true },
      ...imageNames.map((name) => ({ path: `/images/${name}`, source: files[name] })),
      { path: '/images/certificate.der', data: certificate },
      { path: '/images/attribute', data: `${attribute}\n` },
    ],
  }
}

function makeKey(directory: string): void {
  const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'certificate.pem')]
  const subject = ['-subj', '/CN=A key of our own', '-addext', 'keyUsage=digitalSignature']
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-sha256', '-days', '3650', ...subject]
  run('openssl', ...request, '-keyout', key, '-out', certificate)
  run('openssl', 'x509', '-in', certificate, '-outform', 'DER', '-out', join(directory, 'certificate.der'))
}

async function reportsOf(files: Readonly<Record<ImageName, string>>): Promise<Record<ImageName, SignatureReport>> {
  const reports: [string, SignatureReport][] = []
  for (const name of imageNames) {
    const fd = openSync(files[name], 'r')
    reports.push([name, await inspectSignatures(fileBytes(fd, fstatSync(fd).size))])
    closeSync(fd)
  }
  return Object.fromEntries(reports) as Record<ImageName, SignatureReport>
}

function run(program: string, ...args: readonly string[]): void {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
}
