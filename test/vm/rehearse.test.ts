import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { resolve as absolute, dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildGuest, type Kernel, newestKernels } from '../../src/vm/index.ts'
import { stageOne } from '../../src/vm/initramfs/scripts.ts'

// The command as users have it, on this machine; the kernels load and start in QEMU alone. It is of npm run compile.

let directory: string
let older: Kernel
let newer: Kernel
beforeAll(async () => {
  const [first, second] = await newestKernels({ progress: (message) => console.error(`  ${message}`) })
  older = first as Kernel
  newer = second as Kernel
  directory = mkdtempSync(join(tmpdir(), 'linux-kexec-rehearse-test-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

interface Ended {
  readonly status: number | string | null
  readonly stdout: string
  readonly stderr: string
}

/** Rehearses the newer kernel, loaded by the older one. @param begun called once the machine runs */
function rehearse(
  words: readonly string[],
  { begun, cwd }: { begun?: (pid: number) => void; cwd?: string } = {},
): Promise<Ended> {
  const args = [
    absolute('dist/linux-kexec.cjs'),
    'rehearse',
    '--from',
    older.image,
    ...(words.includes('--timeout') ? [] : ['--timeout', '250']),
    ...words,
  ]
  return new Promise((resolve) => {
    const env = { ...process.env, TMPDIR: directory, XDG_STATE_HOME: join(directory, 'state') }
    const child = execFile(process.execPath, args, { env, maxBuffer: 1e8, cwd }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : (error.code ?? error.signal ?? null), stdout, stderr })
    })
    child.stderr?.on('data', (text: string) => {
      if (text.includes('booting the kernel that loads it')) begun?.(child.pid as number)
    })
  })
}

async function outcomeOf(words: readonly string[]) {
  const { status, stdout, stderr } = await rehearse([...words, '--json'])
  return { status, stderr, document: JSON.parse(stdout) }
}

const bare = ['--no-initrd', '--command-line']

/** A file for the overlay. */
function file(name: string, data: string | Buffer, mode = 0o755): string {
  const path = join(directory, name)
  writeFileSync(path, data, { mode })
  return path
}

describe('a kernel that comes up', () => {
  test.each([
    ['file', 1],
    ['segments', 2],
  ])('passes, loaded by the engine %s, %i times in a row, with exactly what was planned', async (engine, count) => {
    const junit = join(directory, `${engine}.xml`)
    const overlay = `${file('motd', 'hello')}:/etc/motd`
    const line = 'console=ttyS0 dyndbg="file a +p; file b" - -- after'
    const { status, document, stderr } = await outcomeOf([
      ...[newer.image, '--overlay', overlay, '--engine', engine, ...['--command-line', line], '--junit', junit],
      ...['--count', `${count}`],
    ])
    expect(document, stderr).toMatchObject({ outcome: { kind: 'passed' }, count, kexec: count })
    expect(status).toBe(0)
    expect(document.report).toMatchObject({ release: newer.release, memory: expect.any(Number) })
    expect(document.report.commandLine).toContain('dyndbg="file a +p; file b"')
    expect(document.report.commandLine).toMatch(/ -- after$/)
    // 6.8 and later show the initrd's bytes; newer kernels of the mirror may not be that new.
    if (Number(newer.release.split('.')[0]) > 6) expect(document.report.initrd).not.toBeNull()
    expect(document.plan).toMatchObject({ engine, commandLine: line })
    expect(document.added).toContain('rdinit=/linux-kexec-rehearsal')
    expect(readFileSync(junit, 'utf8')).toContain('failures="0"')
    const receipt = JSON.parse(readFileSync(document.receipt.path, 'utf8'))
    expect(receipt).toMatchObject({ engine, commandLine: line, release: newer.release, from: { path: older.image } })
  })
})

test("the initrd's own init goes as far as a program of the root file system", async () => {
  const guest = await buildGuest({ kernels: [newer], node: false })
  // The init of the guests, with the only disk in place of the one of a certain name.
  const init = file(
    'stage-one',
    stageOne.replace(/\[ -f "\$name\/serial" \] && .*? && disk=/, '[ $name = vda ] && disk='),
  )
  const root = ['--root-image', guest.rootImage, '--initrd', guest.kernels[0]?.initrd ?? '', '--with-initrd-init']
  const words = [newer.image, ...root, '--overlay', `${init}:/init`, '--command-line', 'console=ttyS0']
  const { document, stderr } = await outcomeOf(words)
  expect(document, stderr).toMatchObject({ outcome: { kind: 'passed' }, report: { root: '/usr/bin/busybox' } })
})

describe('a kernel that does not', () => {
  test('the script of a build directory fails: its status is that of rehearse, and the files can be kept', async () => {
    const build = mkdtempSync(join(directory, 'build-'))
    const image = join(build, 'arch/x86/boot/bzImage')
    mkdirSync(join(build, 'modules/1.2.3'), { recursive: true })
    mkdirSync(dirname(image), { recursive: true })
    symlinkSync(newer.image, image)
    writeFileSync(join(build, 'modules/1.2.3/modules.dep'), 'kernel/a.ko:\n')
    // No initrd, so the shell and `cat` are of this machine.
    writeFileSync(join(build, 'run-test'), 'cat /lib/modules/1.2.3/modules.dep; test -d /sys/module; exit 42\n')
    const words = ['--overlay', 'modules/:/lib/modules', '--overlay', 'run-test:/', '--init', 'sh /run-test']
    const kept = join(directory, 'kept')
    const plan = ['arch/x86/boot/bzImage', ...bare, 'console=ttyS0']
    const { status, stdout } = await rehearse([...plan, ...words, '--keep', kept], { cwd: build })
    expect(status, stdout).toBe(42)
    expect(stdout).toContain('kernel/a.ko:')
    expect(stdout).toContain('qemu-system-')
    expect(readdirSync(kept).sort()).toEqual(['console.log', 'initrd', 'kernel', 'loading-initrd'])
  })

  test('no driver for the root disk', async () => {
    const disk = ['--root-image', file('disk', Buffer.alloc(1024 * 1024))]
    const words = [newer.image, ...bare, 'console=ttyS0 root=/dev/vda7 panic=-1', '--expect', 'login:', ...disk]
    const { status, document } = await outcomeOf(words)
    expect(document).toMatchObject({ outcome: { kind: 'root-not-found' }, receipt: null })
    expect(document.cause).toMatch(/not built into the kernel.*root=\/dev\/vda7/)
    expect(status).toBe(1)
  })

  test('an init that cannot start', async () => {
    const plain = ['--command-line', 'console=ttyS0', '--expect', 'login:']
    const bad = file('bad', 'no program at all')
    const { document } = await outcomeOf([newer.image, '--overlay', `${bad}:/init`, ...plain])
    expect(document.outcome.kind).toMatch(/^(?:init-failed|root-not-found)$/)
    expect(document.cause).toContain('another architecture, or no program')
  })

  test('no console of this machine, and interrupts off: silent', async () => {
    const image = readFileSync(newer.image)
    // The 64-bit entry point, 0x200 behind the setup (Documentation/arch/x86/boot.rst): cli; jmp to itself.
    image.set([0xfa, 0xeb, 0xfe], ((image[0x1f1] as number) + 1) * 512 + 0x200)
    const hangs = file('hangs', image)
    const short = ['--timeout', '20', '--try-anyway']
    const { document } = await outcomeOf([hangs, ...bare, 'console=ttyS7', ...short])
    expect(document.outcome).toEqual({ kind: 'silent', processor: 'looping' })
    expect(document.cause).toContain('ttyS7')
  })

  test('a kernel that is locked down, and has no key for the new one', async () => {
    const { status, document } = await outcomeOf([newer.image, ...bare, 'console=ttyS0', '--lockdown'])
    expect(document).toMatchObject({ outcome: { kind: 'refused', error: { reason: 'lockdown' } }, kexec: 0 })
    expect(status).toBe(3)
  })

  test('a plan that is refused', async () => {
    const { status, document } = await outcomeOf([newer.image, '--no-initrd'])
    expect(document.outcome).toMatchObject({ kind: 'refused', error: { reason: 'no-command-line' } })
    expect(status).toBe(3)
  })
})

test('an interruption ends QEMU, and leaves nothing', async () => {
  const { status, stderr } = await rehearse([newer.image, ...bare, 'console=ttyS0'], {
    begun: (pid) => process.kill(pid, 'SIGINT'),
  })
  expect(status).toBe(1)
  expect(stderr).toContain('interrupted')
  expect(readdirSync(directory).filter((name) => name.startsWith('linux-kexec-rehearsal-'))).toEqual([])
})
