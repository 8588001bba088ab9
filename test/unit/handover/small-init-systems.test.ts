import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { assessHandover } from '../../../src/handover/assess.ts'
import { unable, unreadable } from '../../../src/handover/contract/remarks.ts'
import { askForKexec } from '../../../src/handover/first-process/dinit-control.ts'
import { pathEndingIn } from '../../../src/handover/first-process/program-text.ts'
import { busybox } from '../../../src/handover/init-systems/busybox.ts'
import { dinit } from '../../../src/handover/init-systems/dinit.ts'
import { finit } from '../../../src/handover/init-systems/finit.ts'
import { procd } from '../../../src/handover/init-systems/procd.ts'
import { runit } from '../../../src/handover/init-systems/runit.ts'
import { REBOOT_NOW, s6LinuxInit } from '../../../src/handover/init-systems/s6-linux-init.ts'
import { installHandover, removeHandover } from '../../../src/handover/install.ts'
import { callers } from '../../../src/handover/jump/processes.ts'
import { installed, machine, program } from './machine.ts'

type Files = Record<string, string | null>

const START = '/etc/linux-kexec/start-kernel'

/** A machine recorded in QEMU (test/fixtures/init-systems/README.md), with linux-kexec installed. */
function recorded(name: string): Files {
  const files = JSON.parse(readFileSync(`test/fixtures/init-systems/${name}.json`, 'utf8')) as Files
  return { ...files, ...installed }
}

const hookMissing = [{ code: 'hook-absent', text: 'the hook that starts the loaded kernel is not installed' }]

test('each recorded init system is recognised; the hook makes its way verified, and goes without a trace', () => {
  const places: [name: string, changed: string[]][] = [
    ['busybox', [START, '/etc/linux-kexec/restart', '/etc/inittab']],
    ['runit', [START, '/etc/runit/3']],
    ['s6-linux-init', [START, '/etc/s6-linux-init/current/scripts/rc.shutdown.final']],
    ['finit', ['/usr/libexec/finit/hook/sys/down/99-linux-kexec']],
  ]
  for (const [name, changed] of places) {
    const system = machine(recorded(name))
    expect(assessHandover(system), name).toMatchObject({ init: name, via: name, obstacles: hookMissing })
    const before = changed.map((path) => system.readText(path))
    expect(installHandover({ system }).map(({ path }) => path)).toEqual(changed)
    expect(assessHandover(system)).toMatchObject({ proven: true, obstacles: [], hook: { state: 'installed' } })
    removeHandover({ system })
    expect(changed.map((path) => system.readText(path))).toEqual(before)
  }
})

test('busybox init takes the first restart line: ours stands before the one that is there', () => {
  const inittab = '::sysinit:/etc/init.d/rcS\n# ::restart:/bin/sh\n::restart:/sbin/init\n::shutdown:/bin/umount -a -r\n'
  const system = machine({
    ...installed,
    '/proc/1/comm': 'init\n',
    '/proc/1/exe': '->/bin/busybox',
    '/etc/inittab': inittab,
  })
  installHandover({ system })
  const lines = (system.readText('/etc/inittab') ?? '').split('\n')
  expect(lines.filter((line) => /^[^#:]*:[^:]*:restart:/.test(line))).toEqual([
    '::restart:/etc/linux-kexec/restart',
    '::restart:/sbin/init',
  ])
})

test('busybox init without /etc/inittab cannot be given a hook: one line would do away with its own actions', () => {
  const { hook, obstacles, install } = busybox.examine(machine({ '/proc/1/comm': 'init\n' }), program)
  expect(hook).toBeNull()
  expect(obstacles).toEqual([unable('there is no /etc/inittab, so no restart action can be added')])
  expect(install[0]).toContain('/etc/inittab')
})

test('runit as Void has it: a script of the directory that stage 3 goes through; as Debian 12 has it: the flags in /run', () => {
  const stage =
    '#!/bin/sh\n# for f in /etc/none/*.sh\nfor f in /etc/runit/shutdown.d/*.sh; do\n\t[ -r $f ] && . $f\ndone\n'
  const upstream = '/etc/runit/stopit\0/etc/runit/reboot\0'
  const files = { ...installed, '/proc/1/comm': 'runit\n', '/proc/1/exe': '->/usr/bin/runit' }
  const directory = { '/etc/runit/3': stage, '/etc/runit/shutdown.d': null }
  const place = '/etc/runit/shutdown.d/zz-linux-kexec.sh'
  const system = machine({ ...files, ...directory, '/usr/bin/runit': upstream })
  expect(installHandover({ system }).map(({ path }) => path)).toEqual([START, place])
  // It is sourced, so it must not end stage 3: it calls the script.
  expect(
    system
      .readText(place)
      ?.split('\n')
      .filter((line) => !line.startsWith('#')),
  ).toEqual([START, ''])
  expect(system.readText(START)).toContain('ls -lL /etc/runit/reboot')
  expect(runit.examine(system, program).steps[0]).toContain('/etc/runit/stopit')

  const debian = machine({ ...files, ...directory, '/usr/bin/runit': '/run/runit.stopit\0/run/runit.reboot\0' })
  expect(runit.examine(debian, program).steps[0]).toContain('/run/runit.stopit')
  const stranger = machine({ ...files, ...directory, '/usr/bin/runit': '/var/runit/stopit\0' })
  expect(runit.examine(stranger, program).obstacles).toEqual([
    unable('this runit takes requests through unknown files'),
  ])
})

test('s6-linux-init: the directory that its shutdown daemon was given, and an execline script as well as one of the shell', () => {
  const daemon = '/run/service/s6-linux-init-shutdownd'
  const final = '/etc/s6/mine/scripts/rc.shutdown.final'
  const files = {
    ...installed,
    '/proc/1/comm': 's6-svscan\n',
    [`${daemon}/fifo`]: '',
    [`${daemon}/run`]: '#!/bin/execlineb -P\ns6-linux-init-shutdownd -c "/etc/s6/mine" -g 3000\n',
  }
  const execline = machine({ ...files, [final]: '#!/bin/execlineb -P\n\nforeground { echo bye }\nsync\n' })
  installHandover({ system: execline })
  const commands = (text: string | undefined) => text?.split('\n').filter((line) => /^[^#]/.test(line))
  expect(commands(execline.readText(final))).toEqual([`foreground { ${START} }`, 'foreground { echo bye }', 'sync'])
  const shell = machine({ ...files, [final]: '#!/bin/sh -e\n' })
  installHandover({ system: shell })
  expect(commands(shell.readText(final))).toEqual([START])
  const without = machine(files)
  expect(s6LinuxInit.examine(without, program).obstacles).toEqual([unreadable(`${final} is missing or cannot be read`)])
  // hpr_shutdown.c: 'r', a TAI64N stamp of zero, a grace time of zero.
  expect(REBOOT_NOW.toString('hex')).toBe(`72${'00'.repeat(16)}`)
})

test('finit before 4.4 has no hooks at the end of a shutdown, and is refused', () => {
  const files = recorded('finit')
  const [path, strings = ''] = Object.entries(files).find(([name]) => name.endsWith('/finit')) ?? ['']
  const system = machine({ ...files, [path]: strings?.replace('hook/sys/down\0', '') ?? '' })
  expect(finit.examine(system, program)).toMatchObject({
    hook: null,
    obstacles: [unable('this finit has no hook scripts at the end of a shutdown (hook/sys/down)')],
  })
})

test('dinit: its program shows whether it supports kexec, and which program it becomes', () => {
  const files = { '/proc/1/comm': 'dinit\n', '/proc/1/exe': '->/usr/bin/dinit', '/run/dinitctl': '' }
  const knows = 'Control socket\0/usr/bin/dinit-shutdown\0 Will kexec.\0'
  const whole = machine({ ...files, '/usr/bin/dinit': knows, '/usr/bin/dinit-shutdown': '' })
  expect(dinit.examine(whole, program)).toMatchObject({ hook: null, obstacles: [] })
  const old = machine({ ...files, '/usr/bin/dinit': '/sbin/shutdown\0 Will reboot.\0', '/sbin/shutdown': '' })
  expect(dinit.examine(old, program)).toMatchObject({
    obstacles: [unable('this dinit does not support a shutdown by kexec')],
  })
  const bare = machine({ '/proc/1/comm': 'dinit\n', '/proc/1/exe': '->/usr/bin/dinit', '/usr/bin/dinit': knows })
  expect(dinit.examine(bare, program).obstacles).toEqual([
    unable('/usr/bin/dinit-shutdown, which dinit becomes at the end, is missing'),
    unable('dinit does not listen on /run/dinitctl'),
  ])
})

test('dinit is asked in its control protocol, and each answer but a yes is an error', async () => {
  const version = Buffer.from([58, 1, 0, 5, 0])
  const news = Buffer.from([100, 7, 1, 2, 3, 4, 5])
  const answers: [string, Buffer[], string | undefined][] = [
    ['as it answers', [version, Buffer.from([50])], undefined],
    [
      'with news in between',
      [Buffer.concat([news, version]), Buffer.concat([news, news, Buffer.from([50])])],
      undefined,
    ],
    ['one that knows no kexec', [version, Buffer.from([52])], 'this dinit does not support a shutdown by kexec'],
    ['one of the future', [Buffer.from([58, 9, 0, 9, 0])], 'is too new (9)'],
    ['another daemon', [Buffer.from('HTTP/1.1 400\r\n\r\n')], 'is not dinit'],
    ['one that hangs up', [], 'was closed without an answer'],
    ['one that talks for ever', [Buffer.alloc(1 << 20, 200)], 'was closed without an answer'],
  ]
  for (const [what, replies, problem] of answers) {
    const { path, received, close } = await listen(replies)
    const asked = askForKexec(path, 10_000)
    if (problem === undefined) {
      await asked
      expect(received(), what).toEqual([[0], [10, 6]])
    } else await expect(asked, what).rejects.toThrow(problem)
    await close()
  }
  await expect(askForKexec(join(machine({}).root, 'nobody'), 10_000)).rejects.toThrow('ENOENT')
})

/** Listens as dinit does: each request is answered with the next reply; after the last the connection is closed. */
async function listen(replies: readonly Buffer[]) {
  const path = join(machine({}).root, 'dinitctl')
  const requests: number[][] = []
  const server = createServer((socket: Socket) => {
    socket.on('error', () => {})
    socket.on('data', (request) => {
      const reply = replies[requests.push([...request]) - 1]
      if (reply === undefined) socket.destroy()
      else socket.write(reply)
    })
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return { path, received: () => requests, close: () => new Promise((resolve) => server.close(resolve)) }
}

test('procd: the last of the stop scripts, only when it was asked for, and ending the processes itself', () => {
  const system = machine({ ...installed, '/proc/1/comm': 'procd\n', '/etc/rc.d/K99umount': '' })
  installHandover({ system })
  expect(readdirSync(join(system.root, 'etc/rc.d'))).toEqual(['K99umount', 'K99z-linux-kexec'])
  expect(system.readText('/etc/rc.d/K99z-linux-kexec')).toContain('exec --end-processes --unmount')
  expect(assessHandover(system)).toMatchObject({ init: 'procd', proven: true })
  expect(procd.examine(machine({}), program).obstacles).toHaveLength(1)
})

test('hostile bytes in place of a program are gone through in no time, and give nothing', () => {
  const system = machine({ '/proc/1/exe': '->/init', '/init': '' })
  const bytes = [
    Buffer.alloc(8 << 20, '/'),
    Buffer.from('/finit/hook\0'.repeat(1 << 19)),
    Buffer.from('shutdown\0'.repeat(1 << 19)),
  ]
  for (const content of bytes) {
    writeFileSync(join(system.root, 'init'), content)
    for (const init of [busybox, dinit, finit, runit]) expect(init.examine(system, program).obstacles).not.toEqual([])
  }
  rmSync(join(system.root, 'init'))
  expect(finit.examine(system, program).obstacles).toHaveLength(1)
  expect(pathEndingIn('x\0relative/shutdown\0/sbin/../shut down\0/sbin/shutdown\0', 'shutdown')).toBe('/sbin/shutdown')
})

test('who has called this process is told up to PID 1: a shutdown script that calls us is not ended by us', () => {
  expect([...callers()][0]).toBe(process.ppid)
  expect(callers().has(process.pid)).toBe(false)
  expect(callers().has(1)).toBe(false)
})
