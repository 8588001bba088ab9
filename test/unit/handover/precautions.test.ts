import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { parseDuration, parseTime } from '../../../src/cli/arguments/moment.ts'
import { KexecError } from '../../../src/errors.ts'
import { servicesRunning } from '../../../src/handover/first-process/systemd-services.ts'
import { blockingInhibitors, checkInhibitors } from '../../../src/handover/precautions/inhibitors.ts'
import { loggedIn, tellUsers } from '../../../src/handover/precautions/users.ts'
import { parseUtmp } from '../../../src/handover/precautions/utmp.ts'
import { cancelScheduled, scheduledReboot, waitForTime } from '../../../src/handover/schedule/schedule.ts'
import { scheduleOf } from '../../../src/handover/schedule/scheduled-reboot.ts'
import { Lock } from '../../../src/state/lock.ts'
import { bootIdOf } from '../../../src/state/record.ts'
import { System } from '../../../src/system/system.ts'
import { oneLine } from '../../../src/text.ts'

const roots: string[] = []
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true })
})

function machine(files: Record<string, string | Buffer> = {}): System {
  const root = mkdtempSync(join(tmpdir(), 'linux-kexec-precautions-'))
  roots.push(root)
  for (const [path, content] of Object.entries({ '/run/x': '', ...files })) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content)
  }
  return new System(root)
}

const utmp = readFileSync('test/fixtures/utmp/x86_64.utmp')

/** As systemd 252 writes it for `systemd-inhibit --what=shutdown --who='dpkg "run"' --why='Packages…'`. */
const lock = (changes = '') => `# This is private data. Do not parse.
WHAT=shutdown:idle
MODE=block
UID=0
PID=812
WHO=dpkg \\"run\\"
WHY=Packages are being installed\\x2c wait
${changes}FIFO=/run/systemd/inhibit/1.ref
`

test('a program that blocks the shutdown is named, with why and who; one that only delays it is not', () => {
  const system = machine({
    '/run/systemd/inhibit/1': lock(),
    '/run/systemd/inhibit/1.ref': '',
    '/run/systemd/inhibit/2': lock().replace('MODE=block', 'MODE=delay'),
    '/run/systemd/inhibit/3': lock().replace('shutdown:idle', 'sleep:handle-lid-switch'),
  })
  expect(blockingInhibitors(system)).toEqual([
    { who: 'dpkg "run"', why: 'Packages are being installed, wait', uid: '0', pid: '812' },
  ])
  expect(() => checkInhibitors(system)).toThrow(/dpkg "run" inhibits a shutdown/)
  expect(() => checkInhibitors(system)).toThrow(KexecError)
  expect(checkInhibitors(system, { ignore: true })).toEqual([
    {
      code: 'inhibited',
      text: 'An inhibitor of shutdown is ignored: dpkg "run" (pid 812, uid 0): Packages are being installed, wait.',
    },
  ])
  expect(checkInhibitors(machine())).toEqual([])
})

test('what others have written forges no line on the terminal, and has an end', () => {
  const forged = 'x\\n\\x1b[2Jlinux-kexec: done\\xe2\\x80\\xae'
  const system = machine({ '/run/systemd/inhibit/1': lock().replace('WHO=dpkg', `WHO=${forged}${'y'.repeat(9000)}`) })
  const text = checkInhibitors(system, { ignore: true })[0]?.text ?? ''
  expect(text).toContain('x\\x0a\\x1b[2Jlinux-kexec: done')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  expect(text).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202e]/)
  expect(text.length).toBeLessThan(1000)
  expect(oneLine('a\u202eb\u2028c')).toBe('a\\u202eb\\u2028c')
})

test('who is logged in is told by utmp and by the sessions of logind, each terminal once', () => {
  const session = 'UID=1000\nUSER=bert\nACTIVE=1\nTTY=pts/0\nCLASS=user\n'
  const system = machine({
    '/run/utmp': utmp,
    '/run/systemd/sessions/4': session,
    '/run/systemd/sessions/5': session.replace('bert', 'cleo').replace('pts/0', 'tty3'),
    '/run/systemd/sessions/6': session.replace('pts/0', '../../etc/passwd'),
    '/run/systemd/sessions/7': 'UID=0\nUSER=root\nCLASS=manager\n',
  })
  expect(loggedIn(system)).toEqual([
    { user: 'anna', terminal: 'tty2' },
    { user: 'bert', terminal: 'pts/0' },
    { user: 'cleo', terminal: 'tty3' },
  ])
})

test('no bytes in the place of utmp do harm, and no name leads out of /dev', () => {
  expect(parseUtmp(utmp)).toHaveLength(2)
  // On other 64-bit machines a record has 400 bytes.
  const longer = Buffer.concat(
    [0, 1, 2, 3, 4].map((index) => {
      return Buffer.concat([utmp.subarray(index * 384, index * 384 + 336), Buffer.alloc(64)])
    }),
  )
  expect(parseUtmp(longer)).toEqual(parseUtmp(utmp))
  for (let length = 0; length < utmp.length; length += 41) {
    for (const { terminal } of parseUtmp(utmp.subarray(0, length))) expect(terminal).toMatch(/^(tty2|pts\/0)$/)
  }
  for (const terminal of ['../etc/passwd', '/etc/passwd', 'pts/../../etc/passwd', 'pts/', '', 'a/b', 'tty\n']) {
    const bytes = Buffer.from(utmp)
    const at = 3 * 384 + 8
    bytes.fill(0, at, at + 32).write(terminal, at)
    expect(parseUtmp(bytes).map((login) => login.terminal)).toEqual(['pts/0'])
  }
  expect(parseUtmp(Buffer.alloc(384 * 5, 0xff))).toEqual([])
})

test('a message is written to terminals alone, whatever lies at their names', () => {
  const system = machine({ '/run/utmp': utmp, '/dev/tty2': 'a file', '/etc/shadow': 'secret' })
  mkdirSync(join(system.root, 'dev/pts'))
  symlinkSync('/etc/shadow', join(system.root, 'dev/pts/0'))
  expect(tellUsers(system, 'going down')).toEqual([])
  expect(readFileSync(join(system.root, 'dev/tty2'), 'utf8')).toBe('a file')
})

test('the services that systemd has not stopped are told by their control groups', () => {
  const slice = '/sys/fs/cgroup/system.slice'
  const system = machine({
    [`${slice}/ssh.service/cgroup.events`]: 'populated 1\nfrozen 0\n',
    [`${slice}/dbus.service/cgroup.events`]: 'populated 0\nfrozen 0\n',
    [`${slice}/old.service/cgroup.procs`]: '812\n',
    [`${slice}/run.mount/cgroup.events`]: 'populated 1\n',
  })
  expect(servicesRunning(system)).toEqual(['old.service', 'ssh.service'])
  expect(servicesRunning(machine())).toEqual([])
})

/** A machine on which this very process can wait. */
function waitingMachine() {
  const stat = readFileSync('/proc/self/stat', 'utf8')
  return machine({ [`/proc/${process.pid}/stat`]: stat, '/proc/sys/kernel/random/boot_id': 'this-boot\n' })
}

test('a reboot that waits can be called off from anywhere, and is gone when its time has come', async () => {
  const system = waitingMachine()
  const at = new Date(Date.now() + 3_600_000)
  let ticks = 0
  const tick = () => {
    ticks++
    expect(scheduledReboot(system)).toEqual({ at: at.toISOString(), pid: process.pid })
    expect(cancelScheduled(system)).toMatchObject({ pid: process.pid })
  }
  const waiting = waitForTime(system, at, { remaining: () => at.getTime() - Date.now(), tick })
  await expect(waiting).rejects.toMatchObject({ reason: 'aborted' })
  expect(ticks).toBe(1)
  expect(cancelScheduled(system)).toBeUndefined()

  let left = 3
  ;(await waitForTime(system, at, { remaining: () => left--, tick: () => {} })).release()
  expect(scheduledReboot(system)).toBeUndefined()
})

test('a reboot that is called off at the very moment its time comes does not go on', async () => {
  const system = waitingMachine()
  const at = new Date(Date.now() + 3_600_000)
  let left = 1
  let cancelling: Lock | undefined
  // Another process has just begun to call it off when the last look at the clock is taken.
  const remaining = () => {
    cancelling ??= Lock.takeSync(system, 'reboot --cancel')
    return left--
  }
  const waiting = (async () => {
    const until = Date.now() + 5000
    while (scheduledReboot(system) === undefined && Date.now() < until) await pause(5)
    await pause(300)
    expect(scheduledReboot(system), 'it waits for the lock').toBeDefined()
    rmSync(join(system.root, 'run/linux-kexec/reboot.json'))
    cancelling?.release()
  })()
  await expect(waitForTime(system, at, { remaining, tick: () => {} })).rejects.toMatchObject({ reason: 'aborted' })
  await waiting

  // The other way round: once the time has come nobody can say that it was called off.
  const lock = await waitForTime(system, at, { remaining: () => 0, tick: () => {} })
  mkdirSync(join(system.root, 'run/linux-kexec'), { recursive: true })
  const mark = join(system.root, 'run/linux-kexec/handover')
  writeFileSync(mark, `kexec ${bootIdOf(system)}\n`)
  lock.release()
  expect(() => cancelScheduled(system)).toThrow(/has begun/)
  writeFileSync(mark, 'kexec of-an-earlier-boot\n')
  expect(cancelScheduled(system), 'where /run outlives a boot').toBeUndefined()
})

test('a reboot that wakes long after its time does not start by itself', async () => {
  const system = waitingMachine()
  const at = new Date(Date.now() - 180_000)
  const waiting = waitForTime(system, at, { remaining: () => at.getTime() - Date.now(), tick: () => {} })
  await expect(waiting).rejects.toMatchObject({
    reason: 'aborted',
    hint: expect.stringContaining('linux-kexec reboot'),
  })
  expect(scheduledReboot(system)).toBeUndefined()
  ;(await waitForTime(system, at, { remaining: () => -59_000, tick: () => {} })).release()
})

test('Ctrl-C ends the waiting, and a second reboot takes the place of the first', async () => {
  const system = waitingMachine()
  const at = new Date(Date.now() + 3_600_000)
  const remaining = () => at.getTime() - Date.now()
  const interruption = new AbortController()
  const tick = () => interruption.abort(new Error('SIGINT'))
  const { signal } = interruption
  await expect(waitForTime(system, at, { remaining, tick, signal })).rejects.toMatchObject({ reason: 'aborted' })
  expect(scheduledReboot(system)).toBeUndefined()

  const second = new AbortController()
  let replaced = false
  const first = waitForTime(system, at, {
    remaining,
    tick: () => {
      if (replaced) return
      replaced = true
      waitForTime(system, at, { remaining, tick: () => {}, signal: second.signal }).catch(() => {})
    },
  })
  await expect(first).rejects.toThrow('replaced by another one')
  expect(scheduledReboot(system), 'the second still waits').toBeDefined()
  second.abort()
})

test('a reboot whose process has ended, or whose number another process has, is none', () => {
  const system = waitingMachine()
  const file = join(system.root, 'run/linux-kexec/reboot.json')
  const entry = { at: new Date().toISOString(), pid: process.pid, bootId: 'this-boot', started: '1', token: 'x' }
  mkdirSync(dirname(file), { mode: 0o700 })
  for (const text of [JSON.stringify(entry), JSON.stringify({ ...entry, pid: 999_999 }), '{', 'null', '[1]']) {
    writeFileSync(file, text, { mode: 0o600 })
    expect(scheduledReboot(system)).toBeUndefined()
  }
})

test('--at and --delay: what they take, and what not', () => {
  const now = new Date(2026, 10, 21, 22, 0, 0)
  expect(parseTime('23:30', now)).toEqual(new Date(2026, 10, 21, 23, 30))
  expect(parseTime('3:30', now)).toEqual(new Date(2026, 10, 22, 3, 30))
  expect(parseTime('22:00', now), 'the next time the clock shows it').toEqual(new Date(2026, 10, 22, 22, 0))
  expect(parseTime('2026-11-22T03:30', now)).toEqual(new Date(2026, 10, 22, 3, 30))
  expect(parseTime('2026-11-22 03:30:10Z', now)).toEqual(new Date('2026-11-22T03:30:10Z'))
  for (const wrong of ['24:00', '3:60', '3', 'tomorrow', '2026-11-21T21:59', '2026-13-01T00:00', '', '2026-11-22'])
    expect(() => parseTime(wrong, now), wrong).toThrow('--at')
  expect(['90', '90s', '10m', '1h30m', '2d'].map(parseDuration)).toEqual([
    90_000, 90_000, 600_000, 5_400_000, 172_800_000,
  ])
  for (const wrong of ['', 'm', '1.5h', '-1', '10 m', '1w', '999999999s'])
    expect(() => parseDuration(wrong)).toThrow('--delay')
  for (const wrong of [
    { delay: -1 },
    { delay: Number.NaN },
    { at: new Date(0) },
    { at: new Date(Number.NaN) },
    { at: new Date(), delay: 1 },
  ])
    expect(() => scheduleOf(wrong)).toThrow(KexecError)
})
