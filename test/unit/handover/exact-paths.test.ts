import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { installHandover, removeHandover } from '../../../src/handover/install.ts'
import { marksOf } from '../../../src/hooks/hook.ts'
import { examineHook } from '../../../src/hooks/hook-plan.ts'
import { CHECK, hookScript } from '../../../src/hooks/hook-script.ts'
import type { Program } from '../../../src/program.ts'
import { systemd } from '../../../src/services/systemd.ts'
import { sysvinit } from '../../../src/services/sysvinit.ts'
import { System } from '../../../src/system/system.ts'

const directories: string[] = []
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true })
})

/** `ħ` is U+0127, and 0x27 is the quote. */
const names = ['ħ', "ä b'c", '$HOME', '%h `id`', 'a\\b"c', '日本*語', '-x;y&', 'new\nline']

/** Programs that say by which words they were called, in a directory of such a name. */
function programIn(name: string): Program {
  const directory = mkdtempSync(join(tmpdir(), 'linux-kexec-exact-'))
  directories.push(directory)
  mkdirSync(join(directory, name))
  const node = join(directory, name, 'node')
  writeFileSync(node, `#!/bin/sh\nprintf '<%s>' "$@"\n`)
  chmodSync(node, 0o755)
  return { node, command: join(directory, name, 'linux-kexec.cjs') }
}

/** Files as they are placed: through the changes, byte by byte. */
function placed(text: string): string {
  const root = mkdtempSync(join(tmpdir(), 'linux-kexec-exact-'))
  directories.push(root)
  const path = '/script'
  const { toInstall } = examineHook(new System(root), { parts: [{ kind: 'file', path, mode: 0o755, text }] })
  writeFileSync(join(root, path), Buffer.from(toInstall[0]?.new ?? '', 'latin1'), { mode: 0o755 })
  return join(root, path)
}

describe.each(['sh', 'bash', 'busybox'])('%s', (shell) => {
  test.each(names)('calls the program at the very path, whatever is in it: %j', (name) => {
    const program = programIn(name)
    const run = (...words: string[]) =>
      execFileSync(shell, [...(shell === 'busybox' ? ['sh'] : []), ...words], { encoding: 'utf8' })
    expect(run(placed(hookScript({ program })), CHECK)).toBe(`<${program.command}><--version>`)
    const [service] = sysvinit('crash', program).files
    expect(run(placed(service?.kind === 'file' ? service.text : ''), 'status')).toBe(`<${program.command}><status>`)
  })
})

test('the shutdown unit: systemd’s rules outside, the shell’s inside', () => {
  for (const name of names.filter((each) => !/["'\\\n]/.test(each))) {
    const program = programIn(name)
    const [unit] = systemd('shutdown', program).files
    const text = unit?.kind === 'file' ? unit.text : ''
    const line = /^ExecStop=\/bin\/sh -c "(.*)"$/m.exec(text)?.[1] ?? ''
    // As systemd reads it: C escapes, then specifiers, then variables.
    const script = line.replace(/\\(.)/g, '$1').replaceAll('%%', '%').replaceAll('$$', '$')
    expect(line.replaceAll('%%', '').replaceAll('$$', '')).not.toMatch(/[%$]/)
    const asked = script.replace(/^.*\|\| exec /, '')
    expect(execFileSync('sh', ['-c', asked], { encoding: 'utf8' })).toBe(`<${program.command}><load>`)
  }
})

test('a node that systemd would not start is refused, in words', () => {
  for (const name of ["a'b", 'a"b', 'a\\b', 'a\nb']) {
    const { refusal } = systemd('boot', programIn(name))
    expect(refusal).toMatchObject({ reason: 'unsupported-init', refused: true })
  }
  expect(systemd('boot', programIn('ħ ä')).refusal).toBeUndefined()
})

test('what is placed for a path beyond ASCII counts as installed, and goes again', () => {
  const root = mkdtempSync(join(tmpdir(), 'linux-kexec-exact-'))
  directories.push(root)
  const home = '/opt/ħ é'
  for (const [path, text] of Object.entries({
    '/proc/1/comm': 'init\n',
    '/etc/inittab': 'l6:6:wait:/etc/init.d/rc 6\n',
    '/etc/init.d/rc': '/etc/init.d/reboot stop\n',
    '/etc/init.d/reboot': '. /etc/default/halt\n',
    '/etc/default/halt': '# café\n',
    [`${home}/node`]: '',
    [`${home}/linux-kexec.cjs`]: '',
  })) {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  mkdirSync(join(root, 'usr/bin'), { recursive: true })
  for (const [name, target] of [
    ['node', 'node'],
    ['linux-kexec', 'linux-kexec.cjs'],
  ] as const)
    symlinkSync(`${home}/${target}`, join(root, 'usr/bin', name))
  const system = new System(root)
  const before = readFileSync(join(root, 'etc/default/halt'))
  installHandover({ system })
  const script = readFileSync(join(root, 'etc/linux-kexec/start-kernel'), 'utf8')
  expect(script).toContain(`'${home}/node' '${home}/linux-kexec.cjs'`)
  expect(readFileSync(join(root, 'etc/default/halt'), 'utf8')).toContain(marksOf().begin)
  expect(installHandover({ system })).toEqual([])
  removeHandover({ system })
  expect(readFileSync(join(root, 'etc/default/halt'))).toEqual(before)
})
