import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ImageEntry } from '../../../../src/vm/initramfs/cpio.ts'
import { writeRootImage } from '../../../../src/vm/initramfs/root-image.ts'
import { LARGE_FILES } from '../../../../src/vm/initramfs/scripts.ts'

const MiB = 1024 * 1024

let directory: string
let image: string
/** By path: lengths at a block's edges, where a trailer still fits behind the contents or does not. */
const large = new Map<string, Buffer>()

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'linux-kexec-root-image-'))
  for (const [index, size] of [MiB, MiB + 1, 2 * MiB - 4, 2 * MiB - 130, 3 * MiB + 77].entries()) {
    large.set(`/usr/bin/program${index}`, Buffer.alloc(size, `${index}${size}`))
  }
  const entries: ImageEntry[] = [
    { path: '/usr', directory: true },
    { path: '/usr/bin', directory: true },
    ...[...large].map(([path, contents], index): ImageEntry => {
      const source = join(directory, `source${index}`)
      writeFileSync(source, contents)
      return { path, source, mode: 0o755 }
    }),
    { path: '/usr/bin/small', data: 'small', mode: 0o755 },
    { path: '/boot', directory: true },
    { path: '/boot/vmlinuz', source: join(directory, 'source0') },
    { path: '/usr/bin/owned', source: join(directory, 'source0'), uid: 1000, gid: 1000 },
    { path: '/usr/lib', directory: true },
    { path: '/usr/lib/linux-kexec-vm', directory: true },
  ]
  image = join(directory, 'root.cpio')
  await writeRootImage(image, entries)
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** As busybox unpacks the first archive in the guest; it does not read on. */
function unpackFirst(): string {
  const target = mkdtempSync(join(directory, 'first-'))
  unpack(image, target)
  return target
}

function unpack(archive: string, target: string): void {
  const input = openSync(archive, 'r')
  execFileSync('busybox', ['cpio', '-idmu'], { cwd: target, stdio: [input, 'ignore', 'ignore'] })
  closeSync(input)
}

describe('the root image', () => {
  test('begins with an archive in which large files are empty, with their permissions', () => {
    const target = unpackFirst()
    for (const path of large.keys()) {
      const { size, mode } = statSync(join(target, path))
      expect({ size, mode: mode & 0o777 }, path).toEqual({ size: 0, mode: 0o755 })
    }
    expect(readFileSync(join(target, 'usr/bin/small'), 'utf8')).toBe('small')
    // GRUB reads it there.
    expect(statSync(join(target, 'boot/vmlinuz')).size).toBe(MiB)
    // Unpacked with the others, since stage 1 gives no file an owner.
    expect(statSync(join(target, 'usr/bin/owned')).size).toBe(MiB)
  })

  test('has the contents of each where the list says, counted from its end', () => {
    const bytes = readFileSync(image)
    expect(bytes.length % MiB).toBe(0)
    const lines = readFileSync(join(unpackFirst(), LARGE_FILES), 'utf8').trimEnd().split('\n')
    expect(lines).toHaveLength(large.size)
    for (const line of lines) {
      const [back, blocks, size, path] = line.split(' ') as [string, string, string, string]
      const start = bytes.length - Number(back) * MiB
      expect(Number(blocks), path).toBe(Math.ceil(Number(size) / MiB))
      expect(bytes.subarray(start, start + Number(size)).equals(large.get(`/${path}`) as Buffer), path).toBe(true)
    }
  })

  test('is a series of archives to a kernel, which takes the later ones for what the first has empty', () => {
    const target = mkdtempSync(join(directory, 'kernel-'))
    const bytes = readFileSync(image)
    // init/initramfs.c: an archive ends with its trailer, zeros may follow, and then another begins.
    for (let start = 0; start !== -1; ) {
      const trailer = bytes.indexOf('TRAILER!!!', start)
      const end = trailer + 'TRAILER!!!'.length
      const archive = join(directory, `archive${start}`)
      writeFileSync(archive, bytes.subarray(start, end + 4))
      unpack(archive, target)
      start = bytes.indexOf('070701', end)
    }
    for (const [path, contents] of large) expect(readFileSync(join(target, path)).equals(contents), path).toBe(true)
  })
})
