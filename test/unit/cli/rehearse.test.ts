import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { rehearsalReport } from '../../../src/cli/reports/rehearsal-report.ts'
import type { RehearsalOutcome } from '../../../src/rehearsal/model/rehearsal.ts'
import type { Rehearsal } from '../../../src/rehearsal/rehearse.ts'
import { junitReport } from '../../../src/rehearsal/report/junit.ts'
import { outcomeWords } from '../../../src/rehearsal/report/outcome-words.ts'
import { emptyArchive } from '../entries/tree.ts'
import { debian, makeMachine, newer } from '../plan/debian.ts'
import { cli, json } from './cli.ts'

describe('the words of the call', () => {
  test.each([
    [['--init', 'true', '--expect', 'login:'], '--init and --expect exclude each other'],
    [['--with-initrd-init', '--init', 'true'], '--init and --with-initrd-init exclude each other'],
    [['--with-initrd-init', '--expect', 'x'], '--expect and --with-initrd-init exclude each other'],
    [['--count', '0'], "--count takes a whole number, not '0'"],
    [['--count', '1001'], '--count takes 1000 at most'],
    [['--lockdown=on'], '--lockdown'],
    [['--memory', 'much'], "--memory takes a whole number, not 'much'"],
    [['--timeout', '0'], "--timeout takes a whole number, not '0'"],
    [['--accelerator', 'xen'], "--accelerator takes auto, kvm or tcg, not 'xen'"],
    [['--trial'], 'rehearse has no option --trial'],
    [['--panic'], 'rehearse has no option --panic'],
    [['--dtb', 'x'], 'rehearse has no option --dtb'],
  ])('%j is a wrong call', async (words, message) => {
    const { status, stderr, stdout } = await cli(['rehearse', newer, ...words])
    expect([status, stdout]).toEqual([2, ''])
    expect(stderr).toContain(message)
  })

  test('--require-rehearsal of load takes days', async () => {
    for (const days of ['0', '-1', 'x', '1.5']) {
      const { status, stderr } = await cli(['plan', newer, `--require-rehearsal=${days}`])
      expect([status, stderr]).toEqual([2, expect.stringContaining('takes a whole number of at least 1')])
    }
  })
})

test('a plan that is refused starts no machine: the reason, its remedy, and status 3', async () => {
  const root = makeMachine(debian)
  const kept = join(root, 'kept')
  const kernel = join(root, `boot/vmlinuz-${newer}`)
  const words = ['rehearse', kernel, '--no-initrd', '--from', kernel, '--keep', kept]
  const { status, document } = await json(words)
  expect([status, document.outcome.kind, document.outcome.error.reason]).toEqual([3, 'refused', 'no-command-line'])
  expect(document).toMatchObject({
    cause: expect.any(String),
    report: null,
    phases: {},
    receipt: null,
    accelerator: null,
  })
  expect(existsSync(kept)).toBe(false)
  const { stdout } = await cli(words)
  expect(stdout).toMatch(/^refused: /)
})

test('a kernel that is to load and is not there is an error', async () => {
  const root = makeMachine(debian)
  const kernel = join(root, `boot/vmlinuz-${newer}`)
  const { status, document } = await json(['rehearse', kernel, '--no-initrd', '--from', '/nowhere/vmlinuz'])
  expect([status, document.error.reason, document.error.path]).toEqual([3, 'not-found', '/nowhere/vmlinuz'])
})

test('a disk that is not there is an error that names it, before anything is written', async () => {
  const root = makeMachine(debian)
  const kernel = join(root, `boot/vmlinuz-${newer}`)
  const words = ['rehearse', kernel, '--no-initrd', '--command-line', 'a', '--root-image', '/nowhere/disk.qcow2']
  const { status, document } = await json(words)
  expect([status, document.error.reason, document.error.path]).toEqual([3, 'not-found', '/nowhere/disk.qcow2'])
})

test('without an initrd there is no init of one to run', async () => {
  const root = makeMachine(debian)
  const kernel = join(root, `boot/vmlinuz-${newer}`)
  const words = ['rehearse', kernel, '--no-initrd', '--command-line', 'a', '--from', kernel, '--with-initrd-init']
  const { status, document } = await json(words)
  expect([status, document.outcome.kind, document.outcome.error.message]).toEqual([
    ...[3, 'refused', 'the plan has no initrd, so there is no init of one to run'],
  ])
})

test('an initrd that `load` refuses as damaged does not pass because the guest does not see its wrapping', async () => {
  const root = makeMachine(debian)
  const kernel = join(root, `boot/vmlinuz-${newer}`)
  const content = join(root, 'content')
  const initrd = join(root, 'uInitrd')
  writeFileSync(content, emptyArchive)
  execFileSync('mkimage', ['-A', 'x86_64', '-O', 'linux', '-T', 'ramdisk', '-C', 'none', '-d', content, initrd])
  const bytes = readFileSync(initrd)
  bytes[bytes.length - 1] = 1
  writeFileSync(initrd, bytes)
  const { status, document } = await json([
    'rehearse',
    kernel,
    '--initrd',
    initrd,
    '--command-line',
    'a',
    '--from',
    kernel,
  ])
  expect([status, document.outcome]).toMatchObject([3, { kind: 'refused', error: { reason: 'damaged-image' } }])
})

describe('with a program in place of QEMU', () => {
  const version = '[ "$1" = --version ] && echo "QEMU emulator version 7.2.0" && exit'
  const rehearsed = async (script: string | null, ...more: readonly string[]) => {
    const root = makeMachine(debian)
    const programs = join(root, 'programs')
    mkdirSync(programs)
    if (script !== null) {
      for (const name of ['qemu-system-x86_64', 'qemu-system-aarch64'])
        writeFileSync(join(programs, name), `#!/bin/sh\n${version}\n${script}\n`, { mode: 0o755 })
    }
    const kernel = join(root, `boot/vmlinuz-${newer}`)
    const kept = join(root, 'kept')
    const plan = [kernel, '--no-initrd', '--command-line', 'a', '--from', kernel, '--accelerator', 'tcg']
    const PATH = script === null ? programs : `${programs}:${process.env['PATH']}`
    const { document, stderr } = await json(['rehearse', ...plan, '--keep', kept, ...more], {
      env: { ...process.env, PATH },
    })
    return { document, stderr, kept }
  }

  test.runIf(process.arch === 'x64')('a rehearsal that cannot begin leaves no directory', async () => {
    const { document, kept } = await rehearsed(null)
    expect(document.error.reason).toBe('unsupported-platform')
    expect(existsSync(kept)).toBe(false)
  })

  test.runIf(process.arch === 'x64')('the console is shown in its own lines, in whatever pieces it comes', async () => {
    const script = 'printf one >&3; sleep 0.5; printf " two\\nthree" >&3; sleep 0.5; printf "\\n" >&3; exit 1'
    const { document, stderr, kept } = await rehearsed(script, '--console')
    expect(document.outcome.kind).toBe('qemu-died')
    expect(stderr).toContain('\none two\nthree\n')
    expect(existsSync(join(kept, 'kernel'))).toBe(true)
  })

  test.runIf(process.arch === 'x64')('an overlay is an initrd whose init can run', async () => {
    const overlay = ['--with-initrd-init', '--overlay', `${import.meta.filename}:/init`]
    const { document } = await rehearsed('exit 1', ...overlay)
    expect(document.outcome.kind).toBe('qemu-died')
  })
})

const outcomes: readonly RehearsalOutcome[] = [
  { kind: 'passed' },
  { kind: 'oopsed', message: 'BUG: x' },
  { kind: 'failed', status: 7 },
  { kind: 'not-as-planned', differences: ['one', 'two'] },
  { kind: 'panicked', phase: 'boot', message: 'Fatal exception' },
  { kind: 'root-not-found', message: 'VFS: Unable to mount root fs' },
  { kind: 'init-failed', message: 'No working init found.' },
  { kind: 'hung', phase: 'boot', after: '[ 1.0] last' },
  { kind: 'hung', phase: 'first boot', after: '' },
  { kind: 'silent', processor: null },
  { kind: 'silent', processor: 'looping' },
  { kind: 'accelerator-unusable', message: 'no KVM' },
  { kind: 'timed-out', phase: 'run' },
  { kind: 'rebooted', phase: 'run' },
  { kind: 'powered-off', phase: 'run' },
  { kind: 'refused', error: { reason: 'lockdown', message: 'locked' } },
  { kind: 'not-loaded', error: { reason: 'io', message: 'broken' } },
  { kind: 'qemu-died', status: 1, message: 'no KVM' },
]

function rehearsal(outcome: RehearsalOutcome, more: Partial<Rehearsal> = {}): Rehearsal {
  const plan = { kernel: '/boot/vmlinuz', version: null, commandLine: 'quiet' } as Rehearsal['plan']
  return {
    ...{
      plan,
      from: { path: '/boot/old', reason: 'the running kernel' },
      added: [],
      accelerator: 'tcg',
      receipt: null,
    },
    ...{
      outcome,
      cause: 'A cause.',
      count: 1,
      kexec: 1,
      report: null,
      phases: { 'first boot': 1500, load: 500 },
      console: '',
    },
    ...more,
  }
}

describe('the report', () => {
  test.each(outcomes)('has a sentence for $kind, and the cause unless it passed', (outcome) => {
    const text = rehearsalReport(rehearsal(outcome), null)
    expect(text.split('\n')[0]).toBe(`${outcome.kind}: ${outcomeWords(outcome)}`)
    expect(text.includes('A cause.')).toBe(outcome.kind !== 'passed')
    expect(text).toContain('first boot 1.5 s, load 0.5 s')
  })

  test('of several kexecs names the one', () => {
    const panic = { kind: 'panicked', phase: 'boot', message: 'x' } as const
    const first = (outcome: RehearsalOutcome, more: Partial<Rehearsal>) =>
      [rehearsalReport(rehearsal(outcome, more), null).split('\n')[0], junitReport(rehearsal(outcome, more))].join()
    expect(first(panic, { count: 3, kexec: 2 })).toMatch(/^panicked: kexec 2 of 3: .*message="kexec 2 of 3: /s)
    expect(first(panic, { count: 3, kexec: 0 })).not.toContain('kexec 0')
    expect(first({ kind: 'passed' }, { count: 3, kexec: 3 })).toContain('userspace, 3 times in a row')
  })

  test('has what the first process saw', () => {
    const report = { release: '6.1', commandLine: 'quiet', memory: 1024 ** 3, initrd: null, lockdown: null, root: null }
    const seen = (more: object) =>
      rehearsalReport(rehearsal({ kind: 'passed' }, { report: { ...report, ...more } }), null)
    expect(seen({})).toMatch(/it saw +6\.1, 1\.0 GiB of memory, command line quiet\n/)
    expect(seen({ root: '/sbin/init' })).toContain('started /sbin/init of the root file system')
  })

  test('shows the console from the first line of a fault on, else its last lines', () => {
    const before = Array.from({ length: 100 }, (_, index) => `line ${index}`)
    const fault = [
      'BUG: kernel NULL pointer dereference',
      ...Array.from({ length: 40 }, (_, index) => `trace ${index}`),
    ]
    const shown = rehearsalReport(
      rehearsal({ kind: 'silent', processor: null }, { console: [...before, ...fault].join('\n') }),
      null,
    )
    expect(shown).toContain('BUG: kernel NULL')
    expect(shown).not.toContain('line 99')
    const plain = rehearsalReport(rehearsal({ kind: 'silent', processor: null }, { console: before.join('\n') }), null)
    expect(plain.match(/line \d+/g)).toHaveLength(25)
  })

  test('obeys nothing that the guest prints', () => {
    const text = junitReport(rehearsal({ kind: 'silent', processor: null }, { console: '\x1b[2J]]>&<a b="\ud800">\0' }))
    expect(text).toContain('\ufffd[2J]]&gt;&amp;&lt;a b=&quot;\ufffd&quot;&gt;\ufffd')
  })

  test.each(outcomes)('for build servers counts $kind', (outcome) => {
    const text = junitReport(rehearsal(outcome))
    expect(text).toContain(outcome.kind === 'passed' ? 'failures="0"' : 'failures="1"')
    expect(text.includes('<failure ')).toBe(outcome.kind !== 'passed')
    expect(text).toContain('time="2.000"')
  })

  test('ends with a command that boots what was kept', () => {
    const added = { added: ['panic=1', '/init'] }
    const commandOf = (directory: string, rootImage?: string) =>
      rehearsalReport(rehearsal({ kind: 'passed' }, added), { directory, rootImage })
        .split('\n')
        .at(-1)
    const without = commandOf("/tmp/it's")
    expect(without).toContain("-kernel '/tmp/it'\\''s/kernel' -append 'quiet panic=1'")
    const directory = makeMachine({ '/initrd': { text: '' } })
    const disk = "-drive 'if=virtio,snapshot=on,file=a,,b.qcow2'"
    expect(commandOf(directory, 'a,b.qcow2')).toContain(` -initrd ${directory}/initrd ${disk} -append `)
  })
})
