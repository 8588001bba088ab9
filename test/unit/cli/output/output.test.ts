import { describe, expect, test } from 'vitest'
import { files, kernels, makeTree } from '../../entries/tree.ts'
import { debian, makeMachine } from '../../plan/debian.ts'
import { cli, json, shell } from '../cli.ts'

const ESCAPE = '\x1b['

describe('colour', () => {
  // script(1) of util-linux gives the command a terminal.
  const onTerminal = (args: string, env: NodeJS.ProcessEnv = {}) =>
    shell(`script -qec "$cli ${args}" /dev/null </dev/null`, {
      env: { ...process.env, NO_COLOR: undefined, TERM: 'xterm', ...env },
    })

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
