import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { SignatureReport } from '../../../src/index.ts'
import { detectPolicy } from '../../../src/policy/detect.ts'
import { predictAnswer } from '../../../src/policy/verdict/predict.ts'
import { System } from '../../../src/system/system.ts'
import { makeTree, type Tree } from '../entries/tree.ts'
import {
  backports,
  bookworm,
  bullseye,
  configuration,
  key,
  keys,
  lockdown,
  machine,
  policyOf,
  secureBoot,
  variable,
} from './machines.ts'

const kexecLimit = (name: string, value: number): Tree => ({
  [`/proc/sys/kernel/kexec_load_limit_${name}`]: { text: `${value}\n` },
})

/** Mode of kexec_file_load, then of kexec_load. */
function modes(tree: Tree) {
  const { kexecFileLoad, kexecLoad } = policyOf(tree)
  return [kexecFileLoad.mode, kexecLoad.mode]
}

describe('the mode of a Debian machine', () => {
  test.each([bullseye, bookworm, backports, '6.17.13+deb13-cloud-amd64'])(
    '%s, booted plainly: permissive',
    (release) => {
      const policy = policyOf(machine(release))
      expect([policy.mode, policy.kexecLoad.mode]).toEqual(['permissive', 'unchecked'])
      expect(policy.signature).toMatchObject({
        verified: true,
        required: false,
        requiredBy: null,
        format: 'authenticode',
      })
      expect(policy.kernel).toEqual({ release, architecture: 'x86_64' })
      expect(policy.unread).toEqual([])
    },
  )

  test.each(['integrity', 'confidentiality'] as const)('locked down (%s) without Secure Boot', (state) => {
    const policy = policyOf(machine(bookworm, lockdown(state)))
    expect(policy).toMatchObject({ mode: 'enforced', lockdown: state, secureBoot: false })
    expect(policy.signature.requiredBy).toBe('lockdown')
    expect(policy.kexecLoad).toMatchObject({ mode: 'disabled', reason: 'lockdown', code: 'EPERM' })
  })

  test('Secure Boot: IMA makes the signature required, and shuts kexec_load', () => {
    const policy = policyOf(machine(bookworm, secureBoot(true), lockdown('integrity')))
    expect(policy).toMatchObject({ mode: 'enforced', secureBoot: true, setupMode: false })
    expect(policy.signature.requiredBy).toBe('secure-boot')
    expect(policy.kexecLoad).toMatchObject({ mode: 'disabled', reason: 'ima-appraisal', code: 'EACCES' })
  })

  test('Secure Boot with a kernel that has no IMA: lockdown makes it required', () => {
    const tree = machine(bullseye, secureBoot(true), lockdown('integrity'))
    delete (tree as Record<string, unknown>)['/sys/kernel/security/ima/policy']
    const policy = policyOf(tree)
    expect(policy.signature).toMatchObject({ required: true, requiredBy: 'lockdown' })
    expect(policy.ima).toMatchObject({ present: false, appraise: 'off' })
    expect(policy.kexecLoad).toMatchObject({ mode: 'disabled', reason: 'lockdown', code: 'EPERM' })
  })

  test('the same firmware with Secure Boot switched off, in setup mode, or with shim told not to check', () => {
    const off = [secureBoot(false), variable('SetupMode', Buffer.from([1])), variable('MokSBStateRT', Buffer.from([1]))]
    for (const change of off) expect(policyOf(machine(bookworm, secureBoot(true), change)).secureBoot).toBe(false)
    expect(policyOf(machine(bookworm, secureBoot(true), off[1] as Tree)).setupMode).toBe(true)
  })

  test("what the kernel's EFI stub found out counts before the variables", () => {
    const parameters = Buffer.alloc(4096)
    parameters[0x1ec] = 2
    const stub: Tree = { '/sys/kernel/boot_params/data': { file: parameters } }
    expect(policyOf(machine(bookworm, secureBoot(true), stub)).secureBoot).toBe(false)
  })

  test('switched off, and used up', () => {
    const off = policyOf(machine(bookworm, { '/proc/sys/kernel/kexec_load_disabled': { text: '1\n' } }))
    expect(off.kexecFileLoad).toMatchObject({ mode: 'disabled', reason: 'kexec-disabled', code: 'EPERM' })
    expect(off.kexecLoad.mode).toBe('disabled')
    const used = policyOf(machine(backports, kexecLimit('reboot', 0), kexecLimit('panic', -1)))
    expect(used.kexecFileLoad).toMatchObject({ mode: 'disabled', reason: 'load-limit' })
    expect(used.limits).toEqual({ disabled: false, reboot: 0, panic: null })
    expect(modes(machine(backports, kexecLimit('reboot', 3)))).toEqual(['permissive', 'unchecked'])
  })

  test.each([
    ['6.1.0-50-cloud-arm64', 'aarch64'],
    ['6.1.0-50-s390x', 's390x'],
    ['6.1.0-50-powerpc64le', 'ppc64le'],
  ])('%s has only kexec_load', (release, architecture) => {
    const { kexecFileLoad, kexecLoad, kernel } = policyOf(machine(release))
    expect(kexecFileLoad).toMatchObject({ mode: 'unsupported', reason: 'no-kexec-support', code: 'ENOSYS' })
    expect(kexecFileLoad.why).toContain('CONFIG_KEXEC_FILE')
    expect(kexecLoad.mode).toBe('unchecked')
    expect(kernel.architecture).toBe(architecture)
  })

  test('a kernel without kexec at all', () => {
    const tree = machine(bookworm)
    delete (tree as Record<string, unknown>)['/proc/sys/kernel/kexec_load_disabled']
    expect(modes(tree)).toEqual(['unsupported', 'unsupported'])
  })
})

/** The configuration with some options changed: 'KEXEC_SIG_FORCE=y', 'KEXEC_SIG=n'. */
function rebuilt(release: string, ...options: readonly string[]): Tree {
  const isKept = (line: string) =>
    !options.some((option) => new RegExp(`CONFIG_${option.split('=')[0]}[ =]`).test(line))
  const lines = configuration(release).split('\n').filter(isKept)
  const set = options.map((option) =>
    option.endsWith('=n') ? `# CONFIG_${option.slice(0, -2)} is not set` : `CONFIG_${option}`,
  )
  return { [`/boot/config-${release}`]: { text: [...lines, ...set, ''].join('\n') } }
}

describe('kernels built otherwise', () => {
  test('signatures forced', () => {
    const policy = policyOf(machine(bookworm, rebuilt(bookworm, 'KEXEC_SIG_FORCE=y')))
    expect(policy.signature).toMatchObject({ required: true, requiredBy: 'kernel-configuration' })
    expect([policy.mode, policy.kexecLoad.mode]).toEqual(['enforced', 'unchecked'])
  })

  test('no signature checks: lockdown does not concern kexec_file_load then', () => {
    const built = rebuilt(bookworm, 'KEXEC_SIG=n', 'KEXEC_BZIMAGE_VERIFY_SIG=n')
    expect(modes(machine(bookworm, built))).toEqual(['unchecked', 'unchecked'])
    expect(modes(machine(bookworm, built, lockdown('integrity')))).toEqual(['unchecked', 'disabled'])
  })

  test('no signature checks, under Secure Boot: IMA asks for its own', () => {
    const built = rebuilt(bookworm, 'KEXEC_SIG=n', 'KEXEC_BZIMAGE_VERIFY_SIG=n')
    const tree = machine(bookworm, built, secureBoot(true))
    // The kernel does not show its policy; and an empty file would be an empty policy.
    delete (tree as Record<string, unknown>)['/sys/kernel/security/ima/policy']
    const policy = policyOf(tree)
    expect(policy.ima).toMatchObject({
      policy: 'known',
      rules: ['appraise func=KEXEC_KERNEL_CHECK appraise_type=imasig'],
    })
    expect(policy.mode).toBe('enforced')
  })

  test('the option of kernels before 5.4 checks and requires', () => {
    const built = rebuilt(bookworm, 'KEXEC_SIG=n', 'KEXEC_VERIFY_SIG=y')
    expect(policyOf(machine(bookworm, built)).signature).toMatchObject({ verified: true, required: true })
  })

  test('s390 only looks at signatures after a secure IPL', () => {
    const s390 = '6.1.0-50-s390x'
    const built = rebuilt(s390, 'KEXEC_FILE=y', 'KEXEC_SIG=y')
    const ipl = (value: string): Tree => ({ '/sys/firmware/ipl/secure': { text: `${value}\n` } })
    expect(policyOf(machine(s390, built, ipl('0'))).mode).toBe('unchecked')
    expect(policyOf(machine(s390, built, ipl('1'))).mode).toBe('permissive')
    expect(policyOf(machine(s390, built, ipl('1'), lockdown('integrity'))).signature).toMatchObject({
      requiredBy: 'lockdown',
      format: 'appended',
    })
  })

  test('POWER appraises under Secure Boot', () => {
    const power = '6.1.0-50-powerpc64le'
    const tree = machine(power, rebuilt(power, 'KEXEC_FILE=y'))
    delete (tree as Record<string, unknown>)['/sys/kernel/security/ima/policy']
    const level = (value: number): Tree => ({
      '/proc/device-tree/ibm,secure-boot': { file: Buffer.from([0, 0, 0, value]) },
    })
    expect(policyOf({ ...tree, ...level(1) }).mode).toBe('unchecked')
    expect(policyOf({ ...tree, ...level(2) })).toMatchObject({ mode: 'enforced', secureBoot: true })
    expect(policyOf({ ...tree, '/proc/device-tree/ibm,secureboot/os-secureboot-enforcing': 'empty' }).secureBoot).toBe(
      true,
    )
  })
})

describe('IMA', () => {
  const ima = (text: string): Tree => ({ '/sys/kernel/security/ima/policy': { text } })
  const bootedWith = (text: string): Tree => ({ '/proc/cmdline': { text: `root=/dev/vda1 ${text}\n` } })
  const hidden = (tree: Tree): Tree => {
    const { '/sys/kernel/security/ima/policy': _, ...rest } = tree
    return rest
  }

  test('a rule on kernels enforces, and shuts kexec_load', () => {
    const rules = 'measure func=KEXEC_KERNEL_CHECK\nappraise func=KEXEC_KERNEL_CHECK appraise_type=imasig\n'
    const { kexecFileLoad, kexecLoad, ima: state } = policyOf(machine(bookworm, ima(rules)))
    expect(state).toMatchObject({ present: true, appraise: 'enforce', policy: 'read' })
    expect(state.rules).toEqual(['appraise func=KEXEC_KERNEL_CHECK appraise_type=imasig'])
    expect(kexecFileLoad.mode).toBe('enforced')
    expect(kexecLoad).toMatchObject({ mode: 'disabled', reason: 'ima-appraisal' })
  })

  test('a rule that does not apply, and one that depends on the file', () => {
    expect(policyOf(machine(bookworm, ima('appraise func=MODULE_CHECK appraise_type=imasig\n'))).mode).toBe(
      'permissive',
    )
    expect(policyOf(machine(bookworm, ima('dont_appraise func=KEXEC_KERNEL_CHECK\nappraise\n'))).mode).toBe(
      'permissive',
    )
    expect(policyOf(machine(bookworm, ima('appraise fowner=0\n'))).mode).toBe('unknown')
  })

  test('ima_policy=secure_boot on the command line, where the kernel shows no rules', () => {
    const policy = policyOf(
      hidden(machine(bookworm, bootedWith('ima_policy=tcb ima_policy="secure_boot|appraise_tcb"'))),
    )
    // The directory is gone with the file: securityfs is not mounted, and nothing tells of a policy that was loaded.
    expect(policy.ima.policy).toBe('known')
    expect(policy.ima.rules[0]).toContain('KEXEC_KERNEL_CHECK')
    expect(policy.ima.rules.at(-1)).toBe('appraise fowner=0')
    expect(policy.mode).toBe('enforced')
  })

  test('ima_appraise=log refuses nothing, unless Secure Boot is on', () => {
    const rule = ima('appraise func=KEXEC_KERNEL_CHECK appraise_type=imasig\n')
    const log = machine(bookworm, rule, bootedWith('ima_appraise=log'))
    expect(policyOf(log)).toMatchObject({ mode: 'permissive', ima: { appraise: 'log' } })
    expect(policyOf({ ...log, ...secureBoot(true) }).ima.appraise).toBe('enforce')
  })

  test('a policy was loaded and cannot be read: unknown, and said so', () => {
    const tree = hidden(machine(bookworm, { '/sys/kernel/security/ima/violations': { text: '0\n' } }))
    const policy = policyOf(tree)
    expect(policy).toMatchObject({ mode: 'unknown', ima: { policy: null } })
    expect(policy.unread).toMatchObject([{ path: '/sys/kernel/security/ima/policy', why: 'not there' }])
  })
})

describe('keys', () => {
  test('where a key is, is told by its permissions', () => {
    const id = '6ccece7e4c6c0d1f6149f3dd27dfcc5cbb419ea1'
    const lines = keys(
      key('Debian Secure Boot CA', id),
      key('Someone: with a colon', 'aa'.repeat(20), '39010000'),
      key('A revoked one', 'bb'.repeat(20), '0b010000'),
      `1f3d0d5b I------     1 perm 0b010000     0     0 blacklist tbs:${'cd'.repeat(32)}`,
      `1f3d0d5c I------     1 perm 0b010000     0     0 blacklist bin:${'ef'.repeat(32)}`,
      `15c78671 IR-----     1 perm 1f010000     0     0 asymmetri Gone: ${'01'.repeat(20)}: X509.rsa 01010101 []`,
      `15c78672 I------     1 expd 1f010000     0     0 asymmetri Late: ${'02'.repeat(20)}: X509.rsa 02020202 []`,
      'torn line',
    )
    const { keyrings } = policyOf(machine(bookworm, lines))
    expect(keyrings.visible).toBe(true)
    expect(keyrings.counts).toMatchObject({ '.builtin_trusted_keys': 1, '.platform': 2, '.machine': 0 })
    expect(keyrings.keys.map(({ description, keyring }) => [description, keyring])).toEqual([
      ['Build time autogenerated kernel key', 'builtin'],
      ['Debian Secure Boot CA', 'platform or machine'],
      ['Someone: with a colon', 'other'],
      ['A revoked one', 'revoked'],
    ])
    expect(keyrings.keys[1]?.keyId).toBe(id)
    expect(keyrings.blacklist).toEqual([`tbs:${'cd'.repeat(32)}`, `bin:${'ef'.repeat(32)}`])
  })

  test('a user sees none of the kernel, and is told so', () => {
    const own = '1b9a7ea1 I--Q---     1 perm 1f3f0000  1000 65534 keyring   _uid.1000: empty\n'
    const policy = policyOf(machine(bookworm, { '/proc/keys': { text: own } }))
    expect(policy.keyrings).toMatchObject({ visible: false, keys: [] })
    expect(policy.unread).toMatchObject([{ path: '/proc/keys', why: 'not permitted' }])
    expect(policy.unread[0]?.adds).toContain('only root')
  })
})

describe('what is torn, missing or strange', () => {
  test('an empty directory: nothing is known, and nothing fails', () => {
    const policy = detectPolicy({ system: new System(makeTree({ '/etc/hostname': { text: 'x' } })) })
    expect(policy).toMatchObject({ mode: 'unknown', lockdown: null, secureBoot: null, capability: null, seccomp: null })
    expect(policy.kexecLoad.mode).toBe('unknown')
    expect(policy.reasons).toEqual([])
  })

  test('a configuration that is cut off: what is missing in it is unknown, not off', () => {
    const text = configuration(bookworm)
    const cut: Tree = { [`/boot/config-${bookworm}`]: { text: text.slice(0, text.indexOf('CONFIG_KEXEC_SIG=')) } }
    const policy = policyOf(machine(bookworm, cut))
    expect(policy).toMatchObject({ mode: 'unknown', signature: { verified: null, required: null } })
    expect(policy.reasons[0]?.text).toContain('cut off')
  })

  test('a configuration that is cut off is quoted for what it does say', () => {
    const text = configuration(bookworm)
    const end = text.indexOf('\n', text.indexOf('CONFIG_KEXEC_SIG=')) + 1
    const policy = policyOf(machine(bookworm, { [`/boot/config-${bookworm}`]: { text: text.slice(0, end) } }))
    expect(policy.reasons).toContainEqual(
      expect.objectContaining({ source: `/boot/config-${bookworm}`, value: 'CONFIG_KEXEC_SIG=y' }),
    )
  })

  test('securityfs that is not mounted is named, where the kernel may have lockdown', () => {
    const path = '/sys/kernel/security/lockdown'
    const { [path]: _, ...unmounted } = machine(bookworm, { '/sys/kernel/mm/x': 'empty' })
    const unread = ({ unread: facts }: ReturnType<typeof policyOf>) => facts.map((fact) => fact.path)
    expect(policyOf(unmounted).lockdown).toBeNull()
    expect(unread(policyOf(unmounted))).toContain(path)
    expect(unread(policyOf(machine(bookworm)))).not.toContain(path)
  })

  test('/proc/config.gz comes first; a damaged one is passed over', () => {
    const forced = Object.values(rebuilt(bookworm, 'KEXEC_SIG_FORCE=y'))[0] as { text: string }
    const packed = gzipSync(forced.text)
    const withFile = (file: Buffer) => policyOf(machine(bookworm, { '/proc/config.gz': { file } }))
    expect(withFile(packed).signature.requiredBy).toBe('kernel-configuration')
    expect(withFile(packed.subarray(0, 100)).mode).toBe('permissive')
    expect(withFile(Buffer.from('nonsense')).mode).toBe('permissive')
  })

  test("another kernel's configuration says nothing", () => {
    const tree = machine(bookworm)
    delete (tree as Record<string, unknown>)[`/boot/config-${bookworm}`]
    const policy = policyOf({ ...tree, '/boot/config-6.1.0-50-cloud-amd64': { text: configuration(bookworm) } })
    expect(policy.mode).toBe('unknown')
  })

  test('without a configuration, the names of functions tell some of it', () => {
    const tree = machine(bookworm)
    delete (tree as Record<string, unknown>)[`/boot/config-${bookworm}`]
    const symbols = (...names: readonly string[]): Tree => ({
      '/proc/kallsyms': { text: ['T _printk', ...names].map((name) => `0000000000000000 ${name}\n`).join('') },
    })
    // A call that was not built leaves a weak symbol, as seen on a kernel without CONFIG_KEXEC.
    const without = policyOf({ ...tree, ...symbols('T __x64_sys_kexec_load', 'W __x64_sys_kexec_file_load') })
    expect([without.mode, without.kexecLoad.mode]).toEqual(['unsupported', 'unchecked'])
    const withSignatures = policyOf({ ...tree, ...symbols('T __x64_sys_kexec_file_load', 'T set_kexec_sig_enforced') })
    expect(withSignatures.signature.verified).toBe(true)
    expect(withSignatures.mode).toBe('unknown')
  })

  test('files that hold something else', () => {
    const strange: Tree = {
      '/proc/sys/kernel/kexec_load_disabled': { text: 'maybe\n' },
      '/proc/sys/kernel/kexec_load_limit_reboot': { text: '1e3\n' },
      '/sys/kernel/security/lockdown': { text: '[total]\n' },
      '/proc/keys': { file: Buffer.alloc(5000, 0xff) },
      '/proc/self/status': { file: Buffer.alloc(300) },
      '/sys/kernel/security/ima/policy': { file: Buffer.alloc(5000, 'appraise ') },
      ...variable('SecureBoot', Buffer.alloc(0)),
      ...variable('dbx', Buffer.alloc(100, 0xff)),
      ...variable('db', Buffer.alloc(27, 1)),
    }
    const policy = policyOf(machine(bookworm, strange))
    expect(policy).toMatchObject({ limits: { disabled: null, reboot: null }, capability: null, lockdown: null })
    expect(policy.firmware.revoked).toEqual({ keyIds: [], images: [], certificates: [] })
  })

  test('every place may be a directory, a FIFO or a link that leads nowhere', () => {
    for (const content of ['directory', 'fifo', { link: '/nowhere' }] as const) {
      const tree = Object.fromEntries(Object.keys(machine(bookworm)).map((path) => [path, content]))
      expect(policyOf(tree).mode).toMatch(/unknown|unsupported/)
    }
  })
})

describe('the surroundings', () => {
  test('containers and Xen', () => {
    const found = (tree: Tree) => {
      const { container, hypervisor } = policyOf(machine(bookworm, tree))
      return [container, hypervisor]
    }
    expect(found({})).toEqual([null, null])
    expect(found({ '/run/.containerenv': 'empty' })).toEqual(['podman', null])
    expect(found({ '/.dockerenv': 'empty' })).toEqual(['docker', null])
    expect(found({ '/run/systemd/container': { text: 'systemd-nspawn\n' } })).toEqual(['systemd-nspawn', null])
    expect(found({ '/proc/1/environ': { text: 'TERM=linux\0container=lxc\0' } })).toEqual(['lxc', null])
    const xen = { '/sys/hypervisor/type': { text: 'xen\n' } }
    expect(found({ ...xen, '/sys/hypervisor/guest_type': { text: 'PV\n' } })).toEqual([null, 'xen-pv'])
    expect(found({ ...xen, '/proc/xen/capabilities': { text: 'control_d\n' } })).toEqual([null, 'xen-dom0'])
  })

  test('the process', () => {
    const { capability, namespaces, seccomp } = policyOf(
      machine(bookworm, {
        '/proc/self/status': { text: 'CapEff:\t0000000000000000\nSeccomp:\t2\n' },
        '/proc/self/ns/user': { link: 'user:[4026532281]' },
        '/proc/self/ns/pid': { link: 'pid:[4026532283]' },
      }),
    )
    expect({ capability, namespaces, seccomp }).toEqual({
      capability: false,
      namespaces: { user: false, pid: false },
      seccomp: 2,
    })
  })
})

test('every fact names the file that it came from, and the file is there', () => {
  const tree = machine(bookworm, secureBoot(true), lockdown('integrity'))
  const { reasons } = policyOf(tree)
  expect(new Set(reasons.map(({ subject }) => subject))).toEqual(
    new Set(['kernel', 'secure boot', 'lockdown', 'ima', 'signature', 'limits', 'process', 'keyrings']),
  )
  for (const { source } of reasons) expect(Object.keys(tree)).toContain(source.split(' ')[0])
})

describe('a kernel of before 4.7, with signatures required and no EFI', () => {
  const release = '3.10.0-1160.el7.x86_64'
  const options = [
    '64BIT',
    'X86_64',
    'KEXEC',
    'KEXEC_FILE',
    'KEXEC_VERIFY_SIG',
    'KEXEC_BZIMAGE_VERIFY_SIG',
    'MAGIC_SYSRQ',
  ]
  const old: Tree = {
    '/proc/sys/kernel/osrelease': { text: `${release}\n` },
    '/proc/sys/kernel/kexec_load_disabled': { text: '0\n' },
    '/proc/cmdline': { text: 'root=/dev/sda2\n' },
    '/sys/firmware/dmi': 'directory',
    [`/boot/config-${release}`]: { text: ['#', ...options.map((option) => `CONFIG_${option}=y`), ''].join('\n') },
    '/proc/keys': {
      text: '0f3c2d11 I------     1 perm 1f0b0000     0     0 keyring   .system_keyring: 1\n1aaabbbb I------     1 perm 1f030000     0     0 asymmetri CentOS Linux kernel signing key: e1fdb0e2a7e861a1d1ca80a23dcf0dba3aa4adf5: X509.RSA 3aa4adf5 []\n',
    },
  }

  test('its keys are seen, under the name that their keyring had', () => {
    const { keyrings, unread } = policyOf(old)
    expect(keyrings).toMatchObject({ visible: true, counts: { '.system_keyring': 1 }, keys: [{ keyring: 'builtin' }] })
    expect(unread.map(({ path }) => path)).not.toContain('/proc/keys')
  })

  test('nothing is quoted that is not in its configuration', () => {
    const quoted = policyOf(old).reasons.map(({ value }) => value)
    expect(quoted).toContain('CONFIG_KEXEC_VERIFY_SIG=y')
    expect(quoted).toContain('no CONFIG_SECURITY_LOCKDOWN_LSM')
    expect(quoted.join()).not.toMatch(/KEXEC_SIG_FORCE|CONFIG_KEXEC_SIG\b/)
  })

  test('an unsigned kernel is rejected, and the way that is open is named', () => {
    const file = { owner: 0, fileSystem: 0xef53, attribute: null, digestMatches: null }
    const none: SignatureReport = {
      verdict: 'unsigned',
      checksumMatches: null,
      present: false,
      signatures: [],
      authenticodeSha256: null,
      refusedByKexec: [],
      problems: [],
    }
    const verdict = predictAnswer(policyOf(old), { isPe: true, file, initrd: null }, none)
    expect(verdict).toMatchObject({ outcome: 'will-be-refused', code: 'EKEYREJECTED' })
    expect(verdict.hint).toContain('--engine segments')
    expect(verdict.hint).not.toContain('mokutil')
  })
})
