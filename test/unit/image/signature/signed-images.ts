import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const PE_HEADER = 0x80
const OPTIONAL_HEADER = PE_HEADER + 24
const HEADERS = 0x400
export const CHECKSUM = OPTIONAL_HEADER + 64
export const CERTIFICATE_ENTRY = OPTIONAL_HEADER + 112 + 4 * 8

/** A PE32+ program of three sections, whose table is not in the order of the file, with bytes behind the last one. */
export function peImage(): Buffer {
  const bytes = Buffer.alloc(0xa00 + 24, 0)
  bytes.write('MZ', 0)
  bytes.writeUInt32LE(PE_HEADER, 0x3c)
  bytes.write('PE\0\0', PE_HEADER, 'latin1')
  bytes.writeUInt16LE(0x8664, PE_HEADER + 4)
  bytes.writeUInt16LE(3, PE_HEADER + 6)
  bytes.writeUInt16LE(112 + 16 * 8, PE_HEADER + 20)
  bytes.writeUInt16LE(0x206, PE_HEADER + 22)
  bytes.writeUInt16LE(0x20b, OPTIONAL_HEADER)
  bytes.writeUInt32LE(0x1000, OPTIONAL_HEADER + 16)
  bytes.writeUInt32LE(0x1000, OPTIONAL_HEADER + 32)
  bytes.writeUInt32LE(0x200, OPTIONAL_HEADER + 36)
  bytes.writeUInt32LE(0x4000, OPTIONAL_HEADER + 56)
  bytes.writeUInt32LE(HEADERS, OPTIONAL_HEADER + 60)
  bytes.writeUInt16LE(10, OPTIONAL_HEADER + 68)
  bytes.writeUInt32LE(16, OPTIONAL_HEADER + 108)
  const sections = [
    ['.text', 0x1000, 0x400],
    ['.late', 0x3000, 0x800],
    ['.data', 0x2000, 0x600],
  ] as const
  sections.forEach(([name, address, offset], index) => {
    const header = OPTIONAL_HEADER + 112 + 16 * 8 + index * 40
    bytes.write(name, header)
    bytes.writeUInt32LE(0x200, header + 8)
    bytes.writeUInt32LE(address, header + 12)
    bytes.writeUInt32LE(0x200, header + 16)
    bytes.writeUInt32LE(offset, header + 20)
    bytes.fill(`${name} `, offset, offset + 0x200)
  })
  bytes.fill('behind', 0xa00)
  return bytes
}

/** A folder with keys and certificates made by openssl, and the tools that sign with them. */
export class SigningFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'linux-kexec-signature-'))

  remove(): void {
    rmSync(this.path, { recursive: true })
  }

  /** Runs a program in the folder; its output. */
  run(program: string, ...args: string[]): string {
    return execFileSync(program, args, { cwd: this.path, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  }

  /** NAME.key and a self-signed NAME.crt. */
  makeKey(name: string, kind = 'rsa:2048'): void {
    const days = ['-days', '30', '-nodes', '-sha256']
    this.run(
      'openssl',
      'req',
      '-x509',
      '-newkey',
      kind,
      ...days,
      '-subj',
      `/CN=${name}/O=Example`,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.crt`,
    )
  }

  write(name: string, bytes: Buffer): string {
    const path = join(this.path, name)
    writeFileSync(path, bytes)
    return path
  }

  read(name: string): Buffer {
    return readFileSync(join(this.path, name))
  }

  /** What sbsign makes of `image`. */
  sbsign(image: Buffer, name: string): Buffer {
    this.write('unsigned', image)
    this.run('sbsign', '--key', `${name}.key`, '--cert', `${name}.crt`, '--output', 'signed', 'unsigned')
    return this.read('signed')
  }

  /** Whether sbverify accepts `image` as signed by NAME. */
  sbverify(image: Buffer, name: string): boolean {
    this.write('image', image)
    try {
      this.run('sbverify', '--cert', `${name}.crt`, 'image')
      return true
    } catch {
      return false
    }
  }
}
