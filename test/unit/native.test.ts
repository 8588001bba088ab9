import { execFile } from 'node:child_process'
import { closeSync, readFileSync, readlinkSync, writeSync } from 'node:fs'
import { cp, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { native } from '../../src/native.ts'

const run = promisify(execFile)
const repository = join(import.meta.dirname, '../..')

describe('the addon', () => {
  test('is loaded once, and has exactly the calls that are declared', () => {
    expect(native()).toBe(native())
    expect(Object.entries(native()).map(([name, value]) => `${name}: ${typeof value}`)).toEqual([
      'kexecFileLoad: function',
      'kexecFileLoadSync: function',
      'kexecLoad: function',
      'kexecLoadSync: function',
      'probeThread: function',
      'rebootKexec: function',
      'probeReboot: function',
      'lock: function',
      'memfdCreate: function',
      'seekEnd: function',
      'getAttribute: function',
      'listAttributes: function',
      'setAttribute: function',
      'close: function',
      'watchdogSetTimeout: function',
      'getInodeFlags: function',
      'setInodeFlags: function',
      'flushJournal: function',
      'readClocks: function',
      'sync: function',
      'unmount: function',
      'remountReadOnly: function',
      'childResult: function',
    ])
  })

  test('makes a memfd that is closed on exec', () => {
    const fd = native().memfdCreate('kernel', 1)
    onTestFinished(() => closeSync(fd))
    writeSync(fd, 'HdrS')
    expect(readlinkSync(`/proc/self/fd/${fd}`)).toBe('/memfd:kernel (deleted)')
    expect(readFileSync(`/proc/self/fd/${fd}`, 'utf8')).toBe('HdrS')
    const flags = /^flags:\s+([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1]
    expect(Number.parseInt(flags ?? '', 8) & 0o2000000, 'O_CLOEXEC').not.toBe(0)
  })

  test('refuses a path with a NUL rather than cut it short', () => {
    expect(() => native().unmount('/nonexistent\0/x', 0)).toThrow(TypeError)
  })
})

describe('without a built addon', () => {
  let tree: string

  // The loader finds the addon from its own place, so it is built and bundled anew in a tree that has none.
  beforeAll(async () => {
    tree = await realpath(await mkdtemp(join(tmpdir(), 'linux-kexec-native-')))
    for (const file of [
      'package.json',
      'tsconfig.json',
      'tsconfig.build.json',
      'scripts/bundle-cli.mjs',
      'src/errors.ts',
      'src/native.ts',
    ]) {
      await cp(join(repository, file), join(tree, file))
    }
    await symlink(join(repository, 'node_modules'), join(tree, 'node_modules'))
    await mkdir(join(tree, 'src/cli'))
    await writeFile(join(tree, 'src/cli/main.ts'), "export const loader = import('../native.ts')\n")
    await run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], { cwd: tree })
    await run(process.execPath, ['scripts/bundle-cli.mjs'], { cwd: tree })
  }, 60_000)

  afterAll(() => rm(tree, { recursive: true }))

  /** What native() throws, in a Node of its own, as plain data. */
  async function failure(importLoader: string): Promise<{ evidence: { value: string }[] }> {
    const script = `${importLoader}; try { native() } catch (error) { console.log(JSON.stringify(error)) }`
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], { cwd: tree })
    return JSON.parse(stdout)
  }

  const asModule = "const { native } = await import('./modules/native.js')"
  const asBundle = "const { native } = await (await import('./dist/linux-kexec.cjs')).default.loader"

  for (const importLoader of [asModule, asBundle]) {
    test(`the error says what was tried: ${importLoader}`, async () => {
      expect(await failure(importLoader)).toMatchObject({
        code: 'NATIVE_MISSING',
        reason: 'native-missing',
        refused: true,
        hint: expect.stringContaining('npm run build:native'),
        evidence: ['build/Release', `prebuilds/linux-${process.arch}`].map((directory) => ({
          source: join(tree, directory, 'linux_kexec.node'),
          value: 'no such file',
        })),
      })
    })
  }

  test('from the source too', async () => {
    const { native: missing } = await import(join(tree, 'src/native.ts'))
    expect(missing).toThrow(expect.objectContaining({ reason: 'native-missing' }))
  })

  test('a file that is no addon is told apart from none', async () => {
    const file = join(tree, 'build/Release/linux_kexec.node')
    onTestFinished(() => rm(file))
    await cp(join(repository, 'package.json'), file)
    expect((await failure(asModule)).evidence[0]?.value).toContain('invalid ELF header')
  })

  test('elsewhere than on Linux, the platform is the reason', async () => {
    const elsewhere = "Object.defineProperty(process, 'platform', { value: 'darwin' })"
    expect(await failure(`${elsewhere}; ${asModule}`)).toMatchObject({ reason: 'unsupported-platform', refused: true })
  })
})
