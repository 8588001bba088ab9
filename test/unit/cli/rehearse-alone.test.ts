import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { untested } from '../../untested.ts'
import { debian, makeMachine, newer } from '../plan/debian.ts'
import { cli, denyKexec, json, program, shell } from './cli.ts'

// What a rehearsal leaves behind, and needs, on a machine that does not do it well. A script is in place of QEMU.

const VERSION = '[ "$1" = --version ] && echo "QEMU emulator version 7.2.0" && exit'

/** Reports what a guest would. The words are in the initrd: of the loading kernel first, then, in the plan's, of the new one. */
const PASSES = `
while [ $# -gt 0 ]; do [ "$1" = -initrd ] && initrd=$2; shift; done
set -- $(grep -ao '@rehearsal-[0-9a-f]\\{16\\}' "$initrd" | uniq)
line=$(grep -aoz 'command-line=[^"]*' "$initrd" | head -zn1 | tr -d '\\0'); line=\${line#*=}
printf '%s up 6.1\\n%s begin load\\n%s end 0\\n%s begin exec\\n' $1 $1 $1 $1 >&4
sleep 0.5
printf '%s command-line %s\\n%s up 6.2\\n%s done \\n' $2 "$line" $2 $2 >&4
exec sleep 600`

const REMAINS = `printf '{"return": {}}\\n' >&5; echo $$ >"$0.pid"; exec sleep 600`

interface Scene {
  readonly root: string
  readonly temporary: string
  readonly words: string[]
  readonly env: NodeJS.ProcessEnv
  /** The process in place of QEMU, when it has started. */
  readonly pid: () => Promise<number>
}

/** @param path directories beside that of the script */
function scene(script: string, { version = VERSION, path = process.env['PATH'] ?? '' } = {}): Scene {
  const root = makeMachine(debian)
  const [programs, temporary] = [join(root, 'programs'), join(root, 'temporary')]
  for (const directory of [programs, temporary]) mkdirSync(directory)
  const names = ['qemu-system-x86_64', 'qemu-system-aarch64']
  for (const name of names) writeFileSync(join(programs, name), `#!/bin/sh\n${version}\n${script}\n`, { mode: 0o755 })
  const kernel = join(root, `boot/vmlinuz-${newer}`)
  return {
    ...{ root, temporary },
    words: [
      'rehearse',
      kernel,
      '--no-initrd',
      '--command-line',
      'a',
      '--from',
      kernel,
      '--accelerator',
      'tcg',
      '--timeout',
      '30',
    ],
    env: { ...process.env, PATH: `${programs}:${path}`, TMPDIR: temporary, XDG_STATE_HOME: join(root, 'state') },
    pid: async () => {
      for (;;) {
        const found = names.map((name) => join(programs, `${name}.pid`)).find((file) => existsSync(file))
        const text = found === undefined ? '' : readFileSync(found, 'utf8')
        if (text.endsWith('\n')) return Number(text)
        await pause(50)
      }
    },
  }
}

function isRunning(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await pause(50)
}

function start({ words, env }: Scene): ChildProcess {
  return spawn(denyKexec, ['1', '--', process.execPath, program, ...words], { env, stdio: 'ignore' })
}

const here = test.runIf(process.arch === 'x64')

describe('QEMU', () => {
  here('that is too old is refused, with its version and what is needed', async () => {
    const { words, env, temporary } = scene('exit 1', { version: 'echo "QEMU emulator version 5.2.0 (Debian)"; exit' })
    const { status, document } = await json(words, { env })
    expect([status, document.error.reason]).toEqual([3, 'unsupported-platform'])
    expect(document.error.message).toMatch(/too old.*5\.2\.0/)
    expect(document.error.hint).toContain('6.0 or later')
    expect(readdirSync(temporary)).toEqual([])
  })

  here.each([
    ['', '-la57'],
    [' la57', '-cx16'],
  ])('has 5 levels of page tables where this machine has them: flags "fpu%s"', async (flag, last) => {
    const { words, env, root } = scene('echo "$*" >"$0.arguments"; exit 1')
    writeFileSync(join(root, 'proc/cpuinfo'), `flags\t\t: fpu${flag}\n`)
    // The kernel is a file of that machine, the one that loads it a file of this one.
    await json([...words.with(1, `/boot/vmlinuz-${newer}`), '--root', root], { env })
    const given = readFileSync(join(root, 'programs/qemu-system-x86_64.arguments'), 'utf8')
    expect(/-cpu max,\S*?(-\w+) /.exec(given)?.[1]).toBe(last)
  })

  here.each([
    ['with setpriv', undefined],
    ['without setpriv', ['sh', 'sleep', 'rm']],
  ])('ends when the command is killed, and leaves no file: %s', async (_name, only) => {
    const bin = join(makeMachine({}), 'bin')
    mkdirSync(bin, { recursive: true })
    const which = (name: string) => execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim()
    for (const name of only ?? []) symlinkSync(realpathSync(which(name)), join(bin, name))
    const machine = scene(REMAINS, only === undefined ? {} : { path: bin })
    const command = start(machine)
    const pid = await machine.pid()
    await until(() => readdirSync(machine.temporary).length === 0)
    expect(isRunning(pid)).toBe(true)
    command.kill('SIGKILL')
    await until(() => !isRunning(pid))
  })

  here.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('ends at %s, and leaves no file', async (signal) => {
    const machine = scene(REMAINS)
    const command = start(machine)
    const pid = await machine.pid()
    const ended = new Promise((done) => command.once('exit', done))
    command.kill(signal)
    expect(await ended).toBe(1)
    expect(isRunning(pid)).toBe(false)
    expect(readdirSync(machine.temporary)).toEqual([])
  })
})

here('two at once do not disturb each other', async () => {
  const machines = [scene(PASSES), scene(PASSES)]
  const both = await Promise.all(machines.map(({ words, env }) => json(words, { env })))
  const receipts = both.map(({ document, stderr }) => {
    expect(document.outcome, stderr).toEqual({ kind: 'passed' })
    return document.receipt.path
  })
  expect(new Set(receipts).size).toBe(2)
  for (const { temporary } of machines) expect(readdirSync(temporary)).toEqual([])
})

here('a full disk is an error that names the directory, and leaves nothing', async () => {
  const { words, env, temporary } = scene(PASSES)
  const call = `$cli ${words.map((word) => `'${word}'`).join(' ')} --json; ls -A '${temporary}' >&2`
  const mounted = `mount -t tmpfs -o size=8m full '${temporary}' && ${call}`
  const { stdout, stderr } = await shell(`unshare --map-root-user --mount sh -c "${mounted}"`, { env })
  if (stdout === '') return untested(`no file system can be mounted in a namespace here: ${stderr}`)
  const { error } = JSON.parse(stdout)
  expect(error).toMatchObject({ code: 'ENOSPC', reason: 'io', hint: expect.stringContaining(temporary) })
  expect(stderr.trimEnd().split('\n').at(-1)).not.toContain('linux-kexec-rehearsal-')
})

here('needs no home and writes nothing beside the program', async () => {
  const machine = scene(PASSES)
  const copy = join(machine.root, 'package')
  mkdirSync(join(copy, 'dist'), { recursive: true })
  for (const part of ['package.json', 'dist/linux-kexec.cjs', 'dist/cli', 'build/Release/linux_kexec.node'])
    if (existsSync(resolve(part))) cpSync(resolve(part), join(copy, part), { recursive: true })
  execFileSync('chmod', ['-R', 'a-w', copy])
  const { HOME: _home, XDG_STATE_HOME: _state, XDG_CACHE_HOME: _cache, ...env } = machine.env
  // The user of no account: os.homedir() fails for it. Root may write where nobody may, so it is not root.
  const user = process.geteuid?.() === 0 ? { uid: 54_321, gid: 54_321 } : {}
  chmodSync(machine.temporary, 0o777)
  for (let above = machine.root; above !== '/'; above = dirname(above))
    if ((statSync(above).mode & 0o005) !== 0o005) chmodSync(above, 0o755)
  const args = [join(copy, 'dist/linux-kexec.cjs'), ...machine.words, '--json']
  const output = execFileSync(process.execPath, args, { env, encoding: 'utf8', cwd: '/', ...user })
  const { outcome, receipt } = JSON.parse(output)
  expect(outcome).toEqual({ kind: 'passed' })
  if ('uid' in user) expect(receipt.problem).toContain('home')
  execFileSync('chmod', ['-R', 'u+w', copy])
})

test('the help names the options', async () => {
  const { stdout } = await cli(['rehearse', '--help'])
  for (const name of ['--count N', '--with-initrd-init', '--lockdown']) expect(stdout).toContain(name)
})
