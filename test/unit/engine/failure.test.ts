import { describe, expect, test } from 'vitest'
import { failureOf } from '../../../src/engine/failure.ts'
import { errnoNumber } from '../../../src/errors.ts'
import { System } from '../../../src/system/system.ts'
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
  return failureOf(new System(makeTree(tree)), {
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

  describe('EACCES', () => {
    const rule = (text: string): Tree => ({ '/sys/kernel/security/ima/policy': { text } })
    const appraises = rule('appraise func=KEXEC_KERNEL_CHECK appraise_type=imasig\n')
    const apparmor: Tree = { '/sys/kernel/security/lsm': { text: 'lockdown,capability,apparmor' } }
    const filter: Tree = { '/proc/self/status': { text: 'Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\nSeccomp:\t2\n' } }

    test('IMA, where it has a rule about kernels and nobody else can have refused', () => {
      expect(diagnosed('EACCES', machine(bookworm, noModules, appraises))).toMatchObject({ reason: 'ima-appraisal' })
    })

    test('not IMA where it has no rule about kernels', () => {
      const error = diagnosed('EACCES', machine(bookworm, apparmor))
      expect(error).toMatchObject({ reason: 'not-permitted' })
      expect(error.message).not.toContain('IMA')
      const { '/sys/kernel/security/ima/policy': _, ...without } = machine('5.10.0-46-cloud-amd64')
      expect(diagnosed('EACCES', without).reason).toBe('not-permitted')
    })

    test('several remain possible: all are named', () => {
      const error = diagnosed('EACCES', machine(bookworm, apparmor, appraises, filter))
      expect(error.reason).toBe('not-permitted')
      for (const name of ['IMA', 'seccomp', 'apparmor']) expect(error.summary).toContain(name)
    })

    test('a seccomp filter alone is named alone', () => {
      expect(diagnosed('EACCES', machine(bookworm, noModules, filter)).summary).toContain('seccomp filter')
    })

    test('the profile that confines this process is named, and a denial in the log is certain', () => {
      const profile: Tree = { '/proc/self/attr/apparmor/current': { text: 'snap.updater (enforce)\n' } }
      expect(diagnosed('EACCES', machine(bookworm, apparmor, profile)).summary).toContain('AppArmor (snap.updater)')
      const denied = log('audit: type=1400 apparmor="DENIED" operation="capable" profile="snap.updater"')
      const error = diagnosed('EPERM', machine(bookworm, apparmor, profile, filter), { log: denied })
      expect(error.summary).toBe('AppArmor (snap.updater) does not allow it')
    })

    test('the log names IMA', () => {
      const lines = log('integrity: ima: appraise_data cause=IMA-signature-required')
      expect(diagnosed('EACCES', machine(bookworm, apparmor), { log: lines }).reason).toBe('ima-appraisal')
    })
  })

  test('root without the capability is not told to be root', () => {
    const status = (uid: number): Tree => ({
      '/proc/self/status': { text: `Uid:\t${uid}\t${uid}\t${uid}\t${uid}\nCapEff:\t0000000000000000\nSeccomp:\t0\n` },
    })
    expect(diagnosed('EPERM', machine(bookworm, status(0))).hint).toContain('CapabilityBoundingSet=')
    expect(diagnosed('EPERM', machine(bookworm, status(1000))).hint).toBe('Run it as root.')
  })

  describe('what doctor knows, the failed call says', () => {
    const arm = machine('6.1.0-50-cloud-arm64', {
      '/proc/device-tree/cpus/cpu@0/enable-method': { text: 'spin-table\0' },
      '/sys/devices/system/cpu/possible': { text: '0-3\n' },
    })

    test('EBUSY of processors that were started by spin table, not of a crash kernel', () => {
      expect(diagnosed('EBUSY', arm)).toMatchObject({ reason: 'busy', summary: expect.stringContaining('spin table') })
      expect(diagnosed('EBUSY', arm, { panic: true }).summary).toBe('another load is under way')
      const logged = log("kexec: Can't kexec: CPUs are stuck in the kernel.")
      expect(diagnosed('EBUSY', machine(bookworm), { log: logged }).summary).toContain('other processors')
    })

    test('EADDRNOTAVAIL: the longest run of memory, used or not', () => {
      const iomem: Tree = {
        '/proc/iomem': {
          text: '00001000-0009ffff : System RAM\n00100000-07ffffff : System RAM\n  01000000-02ffffff : Kernel code\n  06000000-07ffffff : ACPI Tables\n10000000-1fffffff : PCI Bus\n',
        },
      }
      const error = diagnosed('EADDRNOTAVAIL', machine(bookworm, iomem))
      expect(error.summary).toContain('the longest has 95.0 MiB')
      expect(error.hint).not.toMatch(/free memory/i)
      expect(
        diagnosed('EADDRNOTAVAIL', machine(bookworm, { '/proc/iomem': { text: '00000000-00000000 : System RAM\n' } }))
          .summary,
      ).not.toContain('longest')
    })

    test('Xen below, whatever the errno', () => {
      const xen: Tree = {
        '/sys/hypervisor/type': { text: 'xen\n' },
        '/sys/hypervisor/guest_type': { text: 'PV\n' },
        '/sys/hypervisor/version/major': { text: '4\n' },
        '/sys/hypervisor/version/minor': { text: '17\n' },
      }
      const error = diagnosed('EINVAL', machine(bookworm, xen))
      expect(error.summary).toContain('this is a guest of Xen 4.17 (xen-pv), which cannot start another kernel')
      expect(error.evidence).toContainEqual({ source: '/sys/hypervisor/guest_type', value: 'pv' })
    })

    test('a rejected signature: the ways that are open on this machine', () => {
      const forced = (tree: Tree): Tree => {
        const path = `/boot/config-${bookworm}`
        const { text } = tree[path] as { text: string }
        return {
          ...tree,
          [path]: { text: text.replace('# CONFIG_KEXEC_SIG_FORCE is not set', 'CONFIG_KEXEC_SIG_FORCE=y') },
        }
      }
      const efi = diagnosed('EKEYREJECTED', forced(machine(bookworm)))
      expect(efi.hint).toContain('mokutil')
      expect(efi.hint).toContain('--engine segments')
      const plain = Object.fromEntries(Object.entries(machine(bookworm)).filter(([path]) => !path.includes('/efi/')))
      const bios = diagnosed('EKEYREJECTED', forced({ ...plain, '/sys/firmware/x': 'empty' }))
      expect(bios.hint).not.toContain('mokutil')
      expect(bios.hint).toContain('--engine segments')
      // Under lockdown kexec_load is shut, and no way.
      expect(diagnosed('ENOKEY', machine(bookworm, secureBoot(true), lockdown('integrity'))).hint).not.toContain(
        'segments',
      )
      const mismatch = log('PEFILE: Digest mismatch')
      expect(diagnosed('EKEYREJECTED', machine(bookworm), { log: mismatch }).hint).toContain('Install it again')
    })
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
      { source: '/proc/meminfo MemAvailable', value: '2048 kB' },
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

describe('what every failed call brings', () => {
  test.each(['EBUSY', 'ETXTBSY', 'EIO', 'ENOEXEC', 'EINVAL', 'ENOMEM', 'EFBIG', 'EADDRNOTAVAIL'])(
    '%s: a summary, and a remedy',
    (errno) => {
      for (const panic of [false, true])
        expect(diagnosed(errno, machine(bookworm), { panic })).toMatchObject({
          code: errno,
          summary: expect.stringMatching(/^\w.{15,}/),
          hint: expect.stringMatching(/^\S.{10,}\.$/),
        })
    },
  )

  test.each([
    ["kexec: Can't kexec: CPUs are stuck in the kernel.", 'busy', 'nr_cpus=1'],
    ['Kernel command line too long: 5000', 'cmdline-too-long', '--remove KEY'],
  ])('the log says %j', (line, reason, remedy) => {
    const error = diagnosed('EINVAL', machine(bookworm), { log: log(line) })
    expect(error).toMatchObject({ reason, hint: expect.stringContaining(remedy) })
  })

  test('the evidence is of the facts that the errno is about', () => {
    const rule = 'appraise func=KEXEC_KERNEL_CHECK appraise_type=imasig'
    const tree = machine(bookworm, noModules, secureBoot(true), lockdown('integrity'), {
      '/sys/kernel/security/ima/policy': { text: rule },
      '/run/.containerenv': 'empty',
      '/proc/self/status': { text: 'CapEff:\t000001ffffffffff\nSeccomp:\t2\n' },
    })
    const sources = (errno: string) =>
      diagnosed(errno, tree)
        .evidence.map(({ source }) => source)
        .join(' ')
    for (const errno of ['EPERM', 'ENOSYS', 'EACCES']) {
      expect(sources(errno)).toContain('/run/.containerenv')
      expect(sources(errno)).toContain('/proc/self/status')
    }
    expect(sources('EINVAL')).not.toContain('/proc/self/status')
    expect(sources('EACCES')).toContain('/sys/kernel/security/ima/policy')
    for (const errno of ['EPERM', 'EACCES', 'EINVAL']) expect(sources(errno)).toContain('SecureBoot')
    for (const errno of ['EPERM', 'EINVAL']) expect(sources(errno)).toContain('/sys/kernel/security/lockdown')
    expect(sources('ENOSYS')).toContain(`/boot/config-${bookworm}`)
    expect(sources('ENOSYS')).not.toContain('SecureBoot')
  })

  test('memory that cannot be read is not made up', () => {
    expect(diagnosed('ENOMEM', machine(bookworm)).evidence).toEqual([])
  })

  test('an obstacle that is certain excludes another load, one that is only possible does not', () => {
    const arm = (tree: Tree) => diagnosed('EBUSY', machine('6.1.0-50-cloud-arm64', tree)).hint
    const possible = { '/sys/devices/system/cpu/possible': { text: '0-3\n' } }
    const spinTable = { '/proc/device-tree/cpus/cpu@0/enable-method': { text: 'spin-table\0' }, ...possible }
    expect(arm(spinTable)).not.toContain('another load')
    expect(arm({ '/proc/cmdline': { text: 'kvm-arm.mode=protected\n' } })).toContain('Else another load is under way')
  })

  test('before 5.4 a rejected signature may be a missing one', () => {
    const at = (release: string) => ({ '/proc/sys/kernel/osrelease': { text: `${release}\n` } })
    const summary = (release: string) => diagnosed('EKEYREJECTED', machine(bookworm, at(release))).summary
    expect(summary('5.3.0')).toContain('is not signed, or its signature was rejected')
    expect(summary('5.4.0')).not.toContain('not signed')
  })
})

describe('EACCES and IMA', () => {
  const policy = (text: string): Tree => ({ '/sys/kernel/security/ima/policy': { text } })
  const summary = (tree: Tree, call: Call = {}) => diagnosed('EACCES', machine(bookworm, noModules, tree), call).summary

  test.each([
    ['a rule for every file concerns kernels', 'appraise fowner=0', true],
    ['a rule for initrds does', 'appraise func=KEXEC_INITRAMFS_CHECK', true],
    ['a rule for programs does not', 'appraise func=BPRM_CHECK', false],
    ['a rule that only measures does not', 'measure func=KEXEC_KERNEL_CHECK', false],
  ])('%s', (_name, rule, concerns) => {
    expect(/\bIMA\b/.test(summary(policy(rule)))).toBe(concerns)
  })

  test('rules that could not be read are named so, others are not', () => {
    const filter: Tree = { '/proc/self/status': { text: 'CapEff:\t000001ffffffffff\nSeccomp:\t2\n' } }
    const unread: Tree = { '/sys/kernel/security/ima': { link: '/nowhere' } }
    const { '/sys/kernel/security/ima/policy': _, ...machineWithout } = machine(bookworm, noModules, filter)
    const loaded = {
      ...machineWithout,
      '/proc/cmdline': { text: 'root=/dev/vda1 ima_policy=appraise_tcb\n' },
      ...unread,
    }
    expect(diagnosed('EACCES', loaded).summary).toContain('IMA (its rules could not be read)')
    expect(summary({ ...policy('appraise func=KEXEC_KERNEL_CHECK'), ...filter })).not.toContain('could not be read')
  })

  test('a denial in the log is certain, whatever modules are listed', () => {
    const lines = log('audit: avc:  denied  { kexec_image_load } for pid=1')
    expect(summary({}, { log: lines })).toMatch(/^a security module/)
    const both = summary(policy('appraise func=KEXEC_KERNEL_CHECK'), { log: lines })
    expect(both).not.toContain('remains possible')
  })

  test('several causes are listed with commas', () => {
    const filter: Tree = { '/proc/self/status': { text: 'CapEff:\t000001ffffffffff\nSeccomp:\t2\n' } }
    expect(summary({ ...policy('appraise func=KEXEC_KERNEL_CHECK'), ...filter })).toMatch(/possible: [^,]+, [^,]+$/)
  })

  test.each([
    ['loadpin', { '/proc/sys/kernel/loadpin/enforce': { text: '1\n' } }, 'LoadPin'],
    [
      'ipe',
      {
        '/sys/kernel/security/ipe/policies/boot/active': { text: '1\n' },
        '/sys/kernel/security/ipe/enforce': { text: '1\n' },
      },
      'IPE',
    ],
  ])('%s is named by its own name', (module, tree, title) => {
    expect(summary({ '/sys/kernel/security/lsm': { text: `lockdown,capability,${module}` }, ...tree })).toContain(title)
  })
})
