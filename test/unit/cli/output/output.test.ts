import { describe, expect, test } from 'vitest'
import { files, kernels, makeTree } from '../../entries/tree.ts'
import { debian, makeMachine, older } from '../../plan/debian.ts'
import { cli, json, onTerminal, shell } from '../cli.ts'

const ESCAPE = '\x1b['

describe('colour', () => {
  test('on a terminal', async () => {
    expect((await onTerminal('--help')).stdout).toContain(ESCAPE)
    expect((await onTerminal(`list --root ${makeMachine()}`)).stdout).toContain(ESCAPE)
  })

  test('not with NO_COLOR, on a dumb terminal, or into a pipe', async () => {
    expect((await onTerminal('--help', { NO_COLOR: '1' })).stdout).not.toContain(ESCAPE)
    expect((await onTerminal('--help', { TERM: 'dumb' })).stdout).not.toContain(ESCAPE)
    expect((await cli(['--help'])).stdout).not.toContain(ESCAPE)
    expect((await cli(['lsit'])).stderr).not.toContain(ESCAPE)
  })

  test('a file name cannot hide itself, nor move the cursor', async () => {
    const root = makeMachine({ ...debian, [`/boot/vmlinuz-6.1.9${ESCAPE}8m`]: { kernel: '6.1.9' } })
    const { stdout } = await onTerminal(`list --root ${root}`)
    expect(stdout).toContain('vmlinuz-6.1.9\\x1b[8m')
    expect(stdout).not.toContain(`${ESCAPE}8m`)
  })
})

describe('control characters in names', () => {
  const name = `vmlinuz-6.1.9${ESCAPE}31m\x07`
  const machine = () => makeMachine({ ...debian, [`/boot/${name}`]: { kernel: '6.1.9' } })

  test('are escaped in lists, plans and errors', async () => {
    const root = machine()
    const escaped = 'vmlinuz-6.1.9\\x1b[31m\\x07'
    expect((await cli(['list', '--root', root])).stdout).toContain(escaped)
    expect((await cli(['plan', name, '--root', root])).stdout).toContain(escaped)
    expect((await cli(['inspect', `/nowhere/${name}`])).stderr).toContain(escaped)
    expect((await cli([name])).stderr).toContain(escaped)
  })

  test('line breaks too: no name can forge a line', async () => {
    const forged = '/nowhere/vmlinuz\nerror: forged'
    for (const args of [['inspect', forged], ['plan', '--root', makeMachine(), forged], [forged]])
      expect((await cli(args)).stderr).toMatch(/^[^\n]*vmlinuz\\x0aerror: forged/)
    const { stdout } = await cli(['inspect', 'notes\nversion'], { cwd: makeTree({ 'notes\nversion': 'empty' }) })
    expect(stdout).toMatch(/^ +path +notes\\x0aversion$/m)
  })

  test('are exact in JSON', async () => {
    const { document } = await json(['list', '--root', machine()])
    expect(document.entries.map(({ kernel }: { kernel: string }) => kernel)).toContain(`/boot/${name}`)
  })
})

describe('long lines', () => {
  const longest = (text: string) => Math.max(...text.split(/\r?\n/).map((line) => line.length))
  const calls = (root: string) => [
    `plan --root ${root}`,
    `list --long --root ${root}`,
    `doctor --root ${root}`,
    `policy --root ${root}`,
    `inspect ${root}/boot/vmlinuz-${older}`,
    'load --help',
    '--help',
    'kexec --help',
    'list --nonsense-that-no-command-has-ever-taken-and-none-will-take',
  ]

  test('are wrapped on a terminal, and are whole lines in a pipe', async () => {
    const root = makeMachine({
      ...debian,
      '/boot/loader/entries/a.conf': { text: `title ${'a long title '.repeat(5)}\nlinux /boot/absent\n` },
    })
    for (const call of calls(root)) {
      const { stdout: wrapped } = await onTerminal(call, { NO_COLOR: '1' }, 60)
      const { stdout, stderr } = await cli(call.split(' '))
      const piped = stdout + stderr
      expect(longest(piped), call).toBeGreaterThan(60)
      // A word that is wider than the terminal, such as a path, and what is to be typed are not broken.
      for (const line of wrapped.split(/\r?\n/).filter((each) => each.length > 60))
        expect(line.trim(), call).toMatch(/^(?:\S+|linux-kexec .*|\S+ {2,}\S+)$/)
      const words = (text: string) => text.split(/\s+/).filter(Boolean)
      expect(words(wrapped), call).toEqual(words(piped))
    }
  })
})

describe('a reader that is gone', () => {
  const root = () =>
    makeTree({
      ...kernels('/boot', 'vmlinuz-', ...Array.from({ length: 300 }, (_, build) => `6.1.0-${build}-amd64`)),
      ...files('initrd', '/boot/initrd.img'),
    })

  test('ends the command quietly', async () => {
    // sh has no PIPESTATUS: the status goes to standard error.
    const { stdout, stderr } = await shell(`{ $cli list --json --root ${root()}; echo "status $?" >&2; } | head -c 1`)
    expect({ stdout, stderr }).toEqual({ stdout: '{', stderr: 'status 0\n' })
  })

  test('of standard error does not change the exit status', async () => {
    const { stdout } = await shell('{ $cli lsit; echo "status $?" >&3; } 3>&1 >/dev/null 2>&1 | cat; true')
    expect(stdout).toContain('status 2')
  })

  test('is not a disk that is full', async () => {
    const { status, stderr } = await shell('$cli --help >/dev/full')
    expect(status).toBe(1)
    expect(stderr).toBe('error: the output could not be written: ENOSPC: no space left on device, write\n')
  })
})
