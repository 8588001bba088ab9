import { describe, expect, test } from 'vitest'
import { makeMachine } from '../plan/debian.ts'
import { cli, json } from './cli.ts'

const commands = ['list', 'inspect', 'plan', 'load', 'unload', 'status', 'handover', 'reboot', 'exec']

describe('help', () => {
  test('of the program: every command, the exit statuses, examples', async () => {
    const { status, stdout, stderr } = await cli(['--help'])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    for (const command of commands) expect(stdout).toMatch(new RegExp(`^  ${command} +[a-z]`, 'm'))
    expect(stdout).toContain('Exit status:')
    expect(stdout).toContain('Examples:')
    expect(await cli(['help'])).toMatchObject({ status: 0, stdout })
    expect(await cli(['-h'])).toMatchObject({ status: 0, stdout })
  })

  test.each(commands)('of %s: usage, options, examples', async (command) => {
    const { status, stdout, stderr } = await cli([command, '--help'])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(new RegExp(`^Usage: linux-kexec ${command}\\b`))
    expect(stdout).toMatch(/^ {2}-h, --help +show this help$/m)
    // No line break of the source is left in it.
    expect(stdout).not.toContain('\\x0a')
    expect(stdout.split('Examples:\n')[1]).toMatch(new RegExp(`^  .*linux-kexec ${command}\\b`, 'm'))
    expect(await cli(['help', command])).toMatchObject({ status: 0, stdout })
  })

  test('without a command: the same on standard error, as wrong usage', async () => {
    const { status, stdout, stderr } = await cli([])
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(/^Usage: linux-kexec COMMAND/)
  })

  test.each(['--version', '-V', 'version'])('the version: %s', async (word) => {
    expect(await cli([word])).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
  })
})

describe('wrong usage ends with status 2, says what is wrong and where to look', () => {
  test.each<[string[], string]>([
    [['lsit'], "there is no command 'lsit'; did you mean list?"],
    [['stauts'], "there is no command 'stauts'; did you mean status?"],
    [['banana'], "there is no command 'banana'"],
    [['verison'], "there is no command 'verison'; did you mean version?"],
    [['--json'], "there is no command '--json'"],
    [['--jsn', 'list'], 'list has no option --jsn; did you mean --json?'],
    [['toString'], "there is no command 'toString'"],
    [['help', 'laod'], "there is no command 'laod'; did you mean load?"],
    [['list', '--jsn'], 'list has no option --jsn; did you mean --json?'],
    [['load', '--reuse-comandline'], 'load has no option --reuse-comandline; did you mean --reuse-cmdline?'],
    [['list', '--constructor'], 'list has no option --constructor'],
    [['list', '--__proto__'], 'list has no option --__proto__'],
    [['list', '-x'], 'list has no option -x'],
    [['list', '--json=yes'], '--json takes no value'],
    [['list', '--root'], '--root needs a value: DIR'],
    [['list', '--root', ''], '--root needs a value: DIR'],
    [['load', '--initrd'], '--initrd needs a value: FILE'],
    [['load', '--append', '--panic'], "--append needs a value; if '--panic' is meant, write --append=--panic"],
    [['inspect'], 'inspect needs FILE'],
    [['inspect', ''], 'inspect was given an empty FILE'],
    [['load', ''], 'load was given an empty [ENTRY|FILE]'],
    [['inspect', 'a', 'b'], "inspect does not take 'b'"],
    [['list', 'newest'], "list does not take 'newest'"],
    [['load', 'newest', 'running'], "load does not take 'running'"],
    [['unload', 'newest'], "unload does not take 'newest'"],
    [['exec', 'now'], "exec does not take 'now'"],
    [['load', '--initrd', 'a', '--no-initrd'], '--initrd and --no-initrd exclude each other'],
    [['load', '--reuse-cmdline', '--command-line', 'x'], '--reuse-cmdline and --command-line exclude each other'],
    [['load', '--engine', 'steam'], "--engine takes auto, file or segments, not 'steam'"],
    [['load', '--root', '/mnt'], 'load has no option --root'],
    [['reboot', '--via', 'magic'], '--via takes auto, systemd, '],
    [['reboot', '--deadline', 'soon'], "--deadline takes a number of seconds, not 'soon'"],
    [['reboot', '--via'], '--via needs a value: WAY'],
  ])('%j', async (args, message) => {
    const { status, stdout, stderr } = await cli(args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr.split('\n')[0]).toContain(`error: ${message}`)
    expect(stderr).toMatch(/^Try: linux-kexec .*--help$/m)
  })

  test('as JSON where it was asked for', async () => {
    const { status, document } = await json(['list', 'too', 'much'])
    expect(status).toBe(2)
    expect(document.error).toEqual({ reason: 'usage', message: "list does not take 'too'" })
    expect((await json(['reboot'])).document.error.message).toBe('--json goes with --dry-run')
  })
})

test('a value that begins with a dash is taken behind an equals sign', async () => {
  const { status, document } = await json(['plan', '--root', makeMachine(), '--append=-- single'])
  expect({ status, commandLine: document.commandLine }).toEqual({
    status: 0,
    commandLine: 'root=/dev/vda1 ro quiet -- single',
  })
})

test('options may stand before the command', async () => {
  const root = makeMachine()
  const after = await cli(['plan', '--root', root, '--append', 'a=1', '--json'])
  expect(after).toMatchObject({ status: 0, stdout: expect.stringContaining('a=1') })
  expect(await cli(['--root', root, '--json', 'plan', '--append', 'a=1'])).toEqual(after)
  expect(await cli(['--append=a=1', '--json', '--root', root, 'plan'])).toEqual(after)
  expect((await json(['--json', 'list', 'too', 'much'])).document.error).toMatchObject({ reason: 'usage' })
})

test('load --dry-run is plan', async () => {
  // A directory is no kernel; deny-kexec would keep anything else from being loaded.
  for (const options of [['--json'], []]) {
    const planned = await cli(['plan', process.execPath, '--command-line', 'ro', ...options])
    expect(planned.status).toBe(3)
    expect(await cli(['load', '--dry-run', process.execPath, '--command-line', 'ro', ...options])).toEqual(planned)
  }
})

// On the machine that runs the tests nothing is loaded, and if something were, deny-kexec would keep it from starting.
test('status, reboot and exec end with 4 when nothing is loaded', async () => {
  const status = await json(['status'])
  expect(status.document).toEqual({
    schemaVersion: 2,
    loaded: expect.any(Boolean),
    crashLoaded: expect.any(Boolean),
    crashSize: status.document.crashSize,
    supported: expect.any(Boolean),
    kernel: expect.objectContaining({ kind: 'kernel' }),
    crash: expect.objectContaining({ kind: 'crash' }),
    trial: expect.objectContaining({ outcome: expect.any(String) }),
  })
  expect(status.status).toBe(status.document.loaded ? 0 : 4)
  // In a container the namespaces, or missing capabilities, are refused before that.
  for (const command of ['reboot', 'exec']) {
    const args = command === 'reboot' ? ['reboot', '--dry-run'] : ['exec']
    const { status, stderr } = await cli(args)
    expect([3, 4]).toContain(status)
    expect(stderr).toMatch(/^refused: /)
  }
})
