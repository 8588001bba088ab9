import { describe, expect, test } from 'vitest'
import { diagnoseLoad } from '../../../src/engine/diagnose.ts'
import { errnoNumber, System } from '../../../src/index.ts'
import { makeTree, type Tree } from '../entries/tree.ts'
import { backports, bookworm, lockdown, machine, secureBoot } from '../policy/machines.ts'

const log = (...lines: readonly string[]) => lines.map((value) => ({ source: 'kernel log', value }))
const noModules: Tree = { '/sys/kernel/security/lsm': { text: 'lockdown,capability,landlock,yama' } }
const limit = (name: string, value: number): Tree => ({
  [`/proc/sys/kernel/kexec_load_limit_${name}`]: { text: `${value}\n` },
})

interface Call {
  readonly panic?: boolean
  readonly loadsLeft?: number | null
  readonly lostCrashKernel?: boolean
  readonly log?: ReturnType<typeof log>
}

/** What is made of an errno on a machine. */
function diagnosed(errno: string, tree: Tree, call: Call = {}) {
  return diagnoseLoad(new System(makeTree(tree)), {
    errno: errnoNumber(errno) as number,
    syscall: 'kexec_file_load',
    path: '/boot/vmlinuz',
    panic: false,
    loadsLeft: null,
    log: [],
    ...call,
  })
}

describe('EBUSY', () => {
  const tainted = (text: string): Tree => ({ '/proc/sys/kernel/tainted': { text } })

  test.each(['128\n', '12417\n'])('behind a crash of the running kernel it may stay so: tainted is %j', (text) => {
    const error = diagnosed('EBUSY', machine(bookworm, tainted(text)))
    expect(error).toMatchObject({ reason: 'busy', summary: expect.stringContaining('has crashed before') })
    expect(error.evidence).toContainEqual({
      source: '/proc/sys/kernel/tainted',
      value: `${text.trim()} (the kernel has oopsed)`,
    })
  })

  test.each(['0\n', '4097\n', '', 'x'])('otherwise it is another load: tainted is %j', (text) => {
    expect(diagnosed('EBUSY', machine(bookworm, tainted(text))).summary).toBe('another load is under way')
  })
})

describe('EPERM: the cause where it is certain', () => {
  const status = (capabilities: string, seccomp: number): Tree => ({
    '/proc/self/status': { text: `CapEff:\t${capabilities}\nSeccomp:\t${seccomp}\n` },
  })

  test.each([
    ['no capability', status('0000000000000000', 2), {}, 'no-capability'],
    ['a user namespace', { '/proc/self/ns/user': { link: 'user:[4026532281]' } }, {}, 'not-init-user-namespace'],
    ['switched off', { '/proc/sys/kernel/kexec_load_disabled': { text: '1\n' } }, {}, 'kexec-disabled'],
    ['used up', limit('reboot', 0), { loadsLeft: 0 }, 'load-limit'],
    ['locked down', lockdown('integrity'), {}, 'lockdown'],
    [
      'locked down, and the log says so although a filter is there',
      { ...lockdown('integrity'), ...status('000001ffffffffff', 2) },
      { log: log('Lockdown: node: kexec of unsigned images is restricted; see man kernel_lockdown.7') },
      'lockdown',
    ],
  ] as const)('%s', (_name, tree, call, reason) => {
    const error = diagnosed('EPERM', machine(backports, noModules, tree), call)
    expect(error).toMatchObject({ reason, code: 'EPERM', errno: -1, refused: false, path: '/boot/vmlinuz' })
    expect(error.summary).not.toContain('possible')
    expect(error.hint).toBeTruthy()
    expect(error.evidence.length).toBeGreaterThan(0)
  })

  test('the last load that the limit allowed was used by this very call: the limit is not the cause', () => {
    const tree = machine(backports, noModules, limit('reboot', 0), lockdown('integrity'))
    expect(diagnosed('EPERM', tree, { loadsLeft: 1 }).reason).toBe('lockdown')
  })

  test('the limit that counts is named', () => {
    const error = diagnosed('EPERM', machine(backports, noModules, limit('panic', 0)), { panic: true, loadsLeft: 0 })
    expect(error.summary).toContain('kernel.kexec_load_limit_panic')
  })

  test('a security module or a filter, when only that is left', () => {
    const selinux = { '/sys/kernel/security/lsm': { text: 'lockdown,capability,yama,selinux' } }
    const error = diagnosed('EPERM', machine(bookworm, selinux))
    expect(error).toMatchObject({ reason: 'not-permitted', summary: 'a rule of selinux does not allow it' })
    expect(error.evidence).toContainEqual({
      source: '/sys/kernel/security/lsm',
      value: 'lockdown,capability,yama,selinux',
    })
    const filter = diagnosed('EPERM', machine(bookworm, noModules, status('000001ffffffffff', 2)))
    expect(filter.summary).toContain('seccomp')
  })

  test('several remain possible: all are named, each with its remedy', () => {
    const apparmor = { '/sys/kernel/security/lsm': { text: 'lockdown,capability,apparmor' } }
    const error = diagnosed('EPERM', machine(bookworm, apparmor, lockdown('integrity'), status('000001ffffffffff', 2)))
    expect(error.reason).toBe('not-permitted')
    for (const cause of ['lockdown (integrity)', 'seccomp', 'apparmor']) {
      expect(error.summary).toContain(cause)
      expect(error.hint).toContain(cause)
    }
  })

  test('nothing could be read: whatever is possible is named', () => {
    const { summary } = diagnosed('EPERM', { '/etc/hostname': { text: 'x' } })
    for (const cause of [
      'CAP_SYS_BOOT',
      'user namespace',
      'kexec_load_disabled',
      'lockdown',
      'seccomp',
      'security module',
    ]) {
      expect(summary).toContain(cause)
    }
  })

  test('everything was read and allows it', () => {
    expect(diagnosed('EPERM', machine(bookworm, noModules)).summary).toContain('all allow it')
  })
})

describe('other errnos', () => {
  test('ENOSYS: built without the call, or hidden by a filter', () => {
    const error = diagnosed('ENOSYS', machine('6.1.0-50-cloud-arm64'))
    expect(error).toMatchObject({ reason: 'no-kexec-support', code: 'ENOSYS' })
    expect(error.summary).toContain('CONFIG_KEXEC_FILE')
    const filter: Tree = { '/proc/self/status': { text: 'CapEff:\t000001ffffffffff\nSeccomp:\t2\n' } }
    expect(diagnosed('ENOSYS', machine(bookworm, filter))).toMatchObject({ reason: 'not-permitted' })
  })

  test('EACCES: IMA, or where there is none a security module', () => {
    expect(diagnosed('EACCES', machine(bookworm)).reason).toBe('ima-appraisal')
    const { '/sys/kernel/security/ima/policy': _, ...without } = machine('5.10.0-46-cloud-amd64')
    expect(diagnosed('EACCES', without).reason).toBe('not-permitted')
  })

  test('signatures: every errno says what was wrong, with what makes it required', () => {
    const tree = machine(bookworm, secureBoot(true), lockdown('integrity'))
    const summaries = ['ENODATA', 'ENOKEY', 'EKEYREJECTED', 'ELIBBAD', 'ENOPKG'].map((errno) => {
      const error = diagnosed(errno, tree)
      expect(error).toMatchObject({ reason: 'signature-rejected', code: errno })
      expect(error.evidence.map(({ source }) => source)).toContain('/sys/kernel/security/lockdown')
      return error.summary
    })
    expect(new Set(summaries).size).toBe(summaries.length)
  })

  test('memory', () => {
    const memory: Tree = {
      '/proc/meminfo': { text: 'MemTotal: 65536 kB\nMemAvailable:   2048 kB\n' },
      '/sys/kernel/kexec_crash_size': { text: '0\n' },
    }
    expect(diagnosed('ENOMEM', machine(bookworm, memory)).evidence).toEqual([
      { source: '/proc/meminfo', value: 'MemAvailable: 2048 kB' },
      { source: '/sys/kernel/kexec_crash_size', value: '0' },
    ])
    expect(diagnosed('EADDRNOTAVAIL', machine(bookworm, memory)).reason).toBe('no-memory-hole')
    expect(diagnosed('EADDRNOTAVAIL', machine(bookworm, memory), { panic: true }).reason).toBe('no-crash-memory')
  })

  test('a word in the log counts more than the errno', () => {
    const lines = log('kexec-bzImage64: Appending elfcorehdr=<addr> to command line exceeds maximum allowed length')
    expect(diagnosed('EINVAL', machine(bookworm), { log: lines }).reason).toBe('cmdline-too-long')
  })
})

test('a crash kernel that was lost by a load that failed is told of, beside the cause', () => {
  const error = diagnosed('ENOEXEC', machine(bookworm), { panic: true, lostCrashKernel: true })
  expect(error.reason).toBe('not-a-kernel')
  expect(error.summary).toMatch(/; the crash kernel that was loaded before is gone with it$/)
  expect(error.hint).toContain('Load one again soon')
  expect(error.evidence).toContainEqual({ source: '/sys/kernel/kexec_crash_loaded', value: '0, and 1 before the call' })
})
