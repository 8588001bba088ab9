import { execFileSync } from 'node:child_process'
import { chmodSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Guest, startVm, type Vm } from '../../src/vm/index.ts'
import { debianGuest, json } from './guests.ts'
import { FileDisk } from './images.ts'

/**
 * The first program of the initrds, named with rdinit=: tells what the kernel made of them, in devtmpfs, which outlives the
 * move to the root file system; then the guest's own /init goes on.
 */
const REPORT = `#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
cd /
/bin/busybox find etc usr lib opt hard* told kernel -exec /bin/busybox stat -c '%a %F %N' {} \\; >/dev/report-files
/bin/busybox find etc usr opt hard* told kernel -type f -exec /bin/busybox grep -H . {} \\; >/dev/report-texts
exec /init
`

let directory: string
let disk: FileDisk
let guest: Guest
let vm: Vm

/** An archive as GNU cpio makes it of a tree, compressed by the program that the field uses. */
function archive(name: string, tree: (path: (inside: string) => string) => void, ...compressor: string[]): string {
  const root = join(directory, `${name}.tree`)
  tree((inside) => {
    const path = join(root, inside)
    mkdirSync(dirname(path), { recursive: true })
    return path
  })
  const input = execFileSync('sh', ['-c', 'find . -mindepth 1 | sort | cpio -o -H newc --quiet'], { cwd: root })
  const [program, ...args] = compressor
  const file = join(directory, name)
  // GNU cpio fills its last block with zeros, which would hide what this is to prove: archives end where they end.
  const end = input.indexOf('TRAILER!!!') + 14
  const bytes = input.subarray(0, end)
  writeFileSync(file, program === undefined ? bytes : execFileSync(program, args, { input: bytes }))
  return file
}

const archives: Record<string, string> = {}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'linux-kexec-initrds-'))
  archives['microcode'] = archive('microcode', (path) =>
    writeFileSync(path('kernel/x86/microcode/none.bin'), 'early\n'),
  )
  archives['lz4'] = archive('lz4', (path) => writeFileSync(path('told/lz4'), 'lz4\n'), 'lz4', '-l', '-c')
  archives['gzip'] = archive(
    'gzip',
    (path) => {
      writeFileSync(path('report'), REPORT)
      chmodSync(path('report'), 0o755)
      writeFileSync(path('told/gzip'), 'gzip\n')
      // As dracut leaves equal files, and as every distribution has /lib.
      writeFileSync(path('hard1'), 'equal\n')
      for (const name of ['hard2', 'hard3']) linkSync(path('hard1'), path(name))
      writeFileSync(path('usr/lib/old'), 'old\n')
      symlinkSync('usr/lib', path('lib'))
      writeFileSync(path('etc/private/old'), 'old\n')
      chmodSync(path('etc/private'), 0o710)
    },
    'gzip',
    '-c',
  )
  archives['zstd'] = archive('zstd', (path) => writeFileSync(path('told/zstd'), 'zstd\n'), 'zstd', '-q', '-c')
  disk = new FileDisk(join(directory, 'disk'), Object.values(archives))
  guest = await debianGuest()
  vm = await startVm({ guest, disks: [disk.disk] })
  await vm.booted()
})
afterAll(async () => {
  await vm?.stop()
  rmSync(directory, { recursive: true, force: true })
})

const [OLDER, NEWER] = [0, 1]
const release = (index: number) => guest.kernels[index]?.release as string

/** The files of the test, in the guest that is up. */
const copyArchives = () =>
  Object.entries(archives)
    .map(([name, file]) => disk.copy(file, `/tmp/${name}`))
    .join('\n')

/** What the kernel that came up found in its initrd: permissions and type, or text, by path. */
async function report() {
  const { stdout } = await vm.run('cat /dev/report-files')
  const files = new Map(
    stdout
      .trim()
      .split('\n')
      .map((line) => {
        const [, mode, type, name, target] = /^(\d+) (.*?) '?([^' ]+)'?(?: -> '(.*)')?$/.exec(line) ?? []
        return [name as string, target === undefined ? `${mode} ${type}` : `link to ${target}`] as const
      }),
  )
  const { stdout: found } = await vm.run('cat /dev/report-texts')
  const texts = Object.fromEntries(
    found
      .trim()
      .split('\n')
      .map((line) => line.split(/:(.*)/s).slice(0, 2)),
  )
  return { files, texts }
}

test('microcode, lz4, gzip, an uncompressed archive and zstd, with a file and a directory laid over them', async () => {
  const older = release(OLDER)
  const newer = release(NEWER)
  const prepared = await vm.run(`
    ${copyArchives()}
    mkdir -p /root/tree/etc/private /root/tree/opt/app /root/tree/usr/lib
    echo tool > /root/tree/opt/app/tool; chmod 4755 /root/tree/opt/app/tool
    echo secret > /root/tree/etc/private/key; chmod 400 /root/tree/etc/private/key
    echo new > /root/tree/hard2
    ln -s ../lib/old /root/tree/opt/link; chmod 755 /root/tree/etc/private
    echo module > /root/my.ko`)
  expect(prepared).toMatchObject({ status: 0 })
  const initrds = ['/tmp/microcode', '/tmp/lz4', '/tmp/gzip', `/boot/initrd.img-${newer}`, '/tmp/zstd']
  const load = await json(
    vm,
    `linux-kexec load ${newer} ${initrds.map((path) => `--initrd ${path}`).join(' ')} --append 'rdinit=/report retain_initrd' \
      --overlay /root/my.ko:/lib/modules/${newer}/extra/ --overlay /root/tree:/`,
  )
  expect(load, load.stderr).toMatchObject({ status: 0, document: { loaded: true, plan: { refusals: [] } } })
  await vm.spawn('linux-kexec exec')
  expect((await vm.booted()).release).toBe(newer)

  const { files, texts } = await report()
  expect(texts).toEqual({
    'kernel/x86/microcode/none.bin': 'early',
    'told/lz4': 'lz4',
    'told/gzip': 'gzip',
    'told/zstd': 'zstd',
    hard1: 'equal',
    hard2: 'new',
    hard3: 'equal',
    'usr/lib/old': 'old',
    'etc/private/old': 'old',
    'etc/private/key': 'secret',
    'opt/app/tool': 'tool',
    [`usr/lib/modules/${newer}/extra/my.ko`]: 'module',
  })
  expect(Object.fromEntries(files)).toMatchObject({
    lib: 'link to usr/lib',
    'etc/private': '710 directory',
    'etc/private/key': '400 regular file',
    'opt/app/tool': '4755 regular file',
    'opt/link': 'link to ../lib/old',
    [`usr/lib/modules/${newer}/extra`]: '755 directory',
  })
  expect(older).not.toBe(newer)
})

test("the running kernel's own, to the byte", async () => {
  const newer = release(NEWER)
  const checksum = async () => (await vm.run('sha256sum </sys/firmware/initrd')).stdout.slice(0, 64)
  const before = await checksum()
  // Without its files, and with a file that is called so.
  const load = await json(
    vm,
    `mkdir /root/elsewhere && cd /root/elsewhere && : >running && rm -f /tmp/gzip &&
      linux-kexec load /boot/vmlinuz-${newer} --initrd running --reuse-cmdline`,
  )
  expect(load, load.stderr).toMatchObject({ status: 0, document: { plan: { initrds: ['/sys/firmware/initrd'] } } })
  await vm.spawn('linux-kexec exec')
  expect((await vm.booted()).release).toBe(newer)
  expect(await checksum()).toBe(before)
  expect((await report()).texts).toMatchObject({ 'told/gzip': 'gzip', 'opt/app/tool': 'tool' })
})

test('bytes and a file through the library, onto the initrd that belongs to the entry', async () => {
  const older = release(OLDER)
  const { status, stderr } = await vm.run(`
    ${copyArchives()}
    echo local > /root/local && chmod 640 /root/local
    cat > /root/load.mjs <<'END' && node /root/load.mjs
import { readFileSync } from 'node:fs'
import { plan } from '/usr/lib/node_modules/linux-kexec/dist/index.js'
const made = await plan({
  kernel: '/boot/vmlinuz-${older}',
  initrds: [readFileSync('/tmp/gzip'), '/boot/initrd.img-${older}'],
  reuseCommandLine: true,
  append: 'rdinit=/report',
  remove: 'retain_initrd',
  overlay: [
    { source: Buffer.from('from memory\\n'), destination: '/etc/installer.conf', mode: 0o600 },
    { source: '/root/local', destination: '/etc/private/' },
    { source: '/root/local', destination: '/lib/old', mode: 0o444 },
  ],
})
await made.load()
END`)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  await vm.spawn('linux-kexec exec')
  expect((await vm.booted()).release).toBe(older)
  const { files, texts } = await report()
  expect(texts).toMatchObject({
    'etc/installer.conf': 'from memory',
    'etc/private/local': 'local',
    'usr/lib/old': 'local',
    'told/gzip': 'gzip',
  })
  expect(Object.fromEntries(files)).toMatchObject({
    'etc/installer.conf': '600 regular file',
    'etc/private': '710 directory',
    'etc/private/local': '640 regular file',
    'usr/lib/old': '444 regular file',
    lib: 'link to usr/lib',
  })
})

test('what the kernel would not unpack is refused before it is loaded', async () => {
  const { stdout } = await vm.run(`
    mkdir -p /root/old && cd /root/old && printf '070707' > old.cpio && : > empty
    printf '\\004\\042\\115\\030frame' > frame.lz4
    for file in old.cpio empty frame.lz4 /etc/passwd /root/absent running; do
      linux-kexec load ${release(NEWER)} --initrd $file --json
    done
    linux-kexec status >/dev/null; echo $?`)
  const lines = stdout.trim().split('\n')
  expect(lines.pop()).toBe('4')
  const documents = stdout
    .slice(0, stdout.lastIndexOf('4'))
    .trim()
    .split(/\n(?=\{)/)
  expect(documents.map((document) => JSON.parse(document).error.reason)).toEqual([
    ...['not-an-initrd', 'not-an-initrd', 'not-an-initrd', 'not-an-initrd', 'not-found', 'not-found'],
  ])
})
