import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { KexecError } from '../../../src/errors.ts'
import { diagnose } from '../../../src/index.ts'
import type { Tree } from '../entries/tree.ts'
import { kernelOf, lengthen, makeMachine, newer, older } from '../plan/debian.ts'
import { bookworm, lockdown } from '../policy/machines.ts'
import { changed, check, examine, healthy, watchdog, without } from './healthy.ts'

/** Status and remedy of a check. */
async function told(id: string, tree: Tree) {
  const { status, summary, remedy } = await check(id, tree)
  // Who is told of something wrong is told what to do.
  if (status === 'problem' || status === 'warning') expect(remedy, summary).toBeTruthy()
  // A sentence begins with a capital, or with the name of a thing.
  expect(summary, id).toMatch(/^(?:[^a-z]|systemd |watchdog0 |luks-root ).*\.$/)
  return [status, summary]
}

const text = (path: string, content: string): Tree => ({ [path]: { text: content } })

test('a machine on which nothing is wrong', async () => {
  const { verdict, checks } = await examine(healthy)
  expect(checks.filter(({ status }) => status !== 'ok')).toEqual([])
  expect(verdict).toBe('ok')
  expect(new Set(checks.map(({ id }) => id)).size, 'no check is told twice').toBe(checks.length)
})

describe('kernel and policy', () => {
  test('a kernel without kexec, whose other checks say that it does not come to them', async () => {
    const { verdict, checks } = await examine(changed(without(), text('/proc/config.gz', '')))
    expect(verdict).toBe('ok')
    expect(checks[0]?.id).toBe('kexec-file-load')
    const none = without('/proc/sys/kernel/kexec_load_disabled')
    expect(await told('kexec-file-load', none)).toEqual([
      'problem',
      'The running kernel has no kexec_file_load: it was built without CONFIG_KEXEC_FILE.',
    ])
    expect((await told('load-switch', none))[0]).toBe('unknown')
    expect((await told('signature', none))[0]).toBe('unknown')
  })

  test('a kernel with kexec_load only: it is used, unless it is shut', async () => {
    const only = '\nCONFIG_X86_64=y\nCONFIG_KEXEC=y\nCONFIG_MAGIC_SYSRQ=y\n# CONFIG_KEXEC_FILE is not set\n'
    const machine = changed(text('/proc/config.gz', only), text('/proc/sys/kernel/arch', 'x86_64\n'))
    expect(await check('kexec-file-load', machine)).toMatchObject({
      status: 'ok',
      detail: ['kexec_load is used in its place.'],
    })
    expect(await told('kexec-load', machine)).toEqual([
      'ok',
      'The running kernel has kexec_load, and linux-kexec uses it.',
    ])
    expect(await told('load-switch', machine)).toEqual(['ok', 'Loading is allowed, without a limit.'])
    expect(await told('signature', machine)).toEqual(['ok', 'Signatures are not checked.'])
    expect((await examine(machine)).verdict).toBe('ok')
    const locked = { ...machine, ...text('/sys/kernel/security/lockdown', 'none [integrity] confidentiality\n') }
    expect((await told('kexec-load', locked))[0]).toBe('problem')
  })

  test('switched off, used up, or nearly', async () => {
    const limit = (left: string) => changed(text('/proc/sys/kernel/kexec_load_limit_reboot', `${left}\n`))
    expect((await told('load-switch', limit('0')))[0]).toBe('problem')
    expect((await told('load-switch', limit('1')))[0]).toBe('warning')
    expect(await told('load-switch', limit('7'))).toEqual(['ok', 'Loading is allowed, 7 more times.'])
    expect((await told('load-switch', limit('-1')))[0]).toBe('ok')
    const off = changed(text('/proc/sys/kernel/kexec_load_disabled', '1\n'))
    const { verdict, checks } = await examine(off)
    expect(verdict).toBe('problem')
    const problems = checks.filter(({ status }) => status === 'problem').map(({ id }) => id)
    expect(problems, 'told once, not by every check that it concerns').toEqual(['load-switch'])
  })

  test('a kernel that would be refused, with what was read', async () => {
    const kernels = Object.fromEntries(
      [newer, older].map((each) => [`/boot/vmlinuz-${each}`, { file: unsigned(each) }]),
    )
    const root = makeMachine(changed(lockdown('integrity'), kernels))
    for (const path of Object.keys(kernels)) lengthen(join(root, path))
    const { verdict, checks } = await diagnose({ root })
    expect(verdict).toBe('problem')
    const problems = checks.filter(({ status }) => status === 'problem')
    expect(problems).toMatchObject([{ id: 'signature', summary: expect.stringContaining('locked down (integrity)') }])
    expect(problems[0]?.evidence).toContainEqual({
      source: '/sys/kernel/security/lockdown',
      value: 'none [integrity] confidentiality',
    })
  })

  test('what is not known of a kernel that must be signed is named', async () => {
    // A configuration that is cut off does not say which kind of signature counts.
    const cut = text(`/boot/config-${bookworm}`, '\nCONFIG_X86_64=y\nCONFIG_KEXEC_FILE=y\nCONFIG_KEXEC_SIG=y\n')
    const { status, detail } = await check('signature', changed(lockdown('integrity'), cut))
    expect([status, detail.length > 0]).toEqual(['warning', true])
  })
})

/** Debian's kernel as it was before it was signed: its header names no certificate table. */
function unsigned(release: string): Buffer {
  const bytes = kernelOf(release)
  const directories = bytes.readUInt32LE(0x3c) + 24 + 112
  bytes.fill(0, directories + 4 * 8, directories + 5 * 8)
  return bytes
}

describe('this process', () => {
  const status = (lines: string) => changed(text('/proc/self/status', `Name:\tnode\n${lines}`))

  test('a user who can become root is warned; one who cannot has a problem', async () => {
    const user = 'CapEff:\t0000000000000000\nCapBnd:\t000001ffffffffff\nNoNewPrivs:\t0\nSeccomp:\t0\n'
    expect(await told('capability', status(user))).toEqual([
      'warning',
      'This user may not load a kernel; root may (CAP_SYS_BOOT).',
    ])
    expect((await examine(status(user))).verdict).toBe('warning')
    expect((await told('capability', status(user.replace('NoNewPrivs:\t0', 'NoNewPrivs:\t1'))))[0]).toBe('problem')
    const bounded = user.replace('CapBnd:\t000001ffffffffff', 'CapBnd:\t000001ffffbfffff')
    expect((await told('capability', status(bounded)))[0]).toBe('problem')
  })

  test('namespaces and containers', async () => {
    const namespace = (name: string) => changed({ [`/proc/self/ns/${name}`]: { link: `${name}:[4026539999]` } })
    expect((await told('namespaces', namespace('user')))[0]).toBe('problem')
    expect((await told('namespaces', namespace('pid')))[1]).toContain('it can load a kernel, but not start it')
    const container = changed({ '/.dockerenv': 'empty' })
    expect(await told('namespaces', container)).toEqual(['warning', expect.stringContaining('(docker)')])
  })

  test('a seccomp filter is told once, and not blamed on the signature', async () => {
    const filtered = status('CapEff:\t000001ffffffffff\nSeccomp:\t2\n')
    expect((await told('seccomp', filtered))[0]).toBe('warning')
    expect((await told('signature', filtered))[0]).toBe('ok')
    expect((await examine(filtered)).checks.filter(({ status }) => status === 'warning')).toHaveLength(1)
  })
})

describe('platform', () => {
  const arm: Tree = {
    ...text('/proc/config.gz', '\nCONFIG_ARM64=y\nCONFIG_KEXEC_FILE=y\nCONFIG_MAGIC_SYSRQ=y\n'),
    ...text('/sys/devices/system/cpu/possible', '0-3\n'),
  }
  const cpus = (method: string): Tree => ({
    ...text('/proc/device-tree/cpus/cpu@0/enable-method', `${method}\0`),
    ...text('/proc/device-tree/cpus/cpu@1/enable-method', `${method}\0`),
  })

  test('processors started by spin table cannot be stopped, one alone need not be', async () => {
    expect((await told('platform', changed(arm, cpus('spin-table'))))[0]).toBe('problem')
    expect((await told('platform', changed(arm, cpus('psci'))))[0]).toBe('ok')
    const single = text('/sys/devices/system/cpu/possible', '0\n')
    expect((await told('platform', changed(arm, cpus('spin-table'), single)))[0]).toBe('ok')
  })

  test("Xen's control domain, and the erratum of TDX", async () => {
    expect((await told('platform', changed(text('/proc/xen/capabilities', 'control_d\n'))))[0]).toBe('problem')
    const bugs = (names: string) => changed(text('/proc/cpuinfo', `model\t: 1\nbugs\t\t: ${names}\n`))
    expect((await told('platform', bugs('spectre_v1 tdx_pw_mce')))[0]).toBe('warning')
    expect((await told('platform', bugs('spectre_v1 spectre_v2')))[0]).toBe('ok')
  })
})

describe('memory', () => {
  const memory = (total: number, available: number) =>
    changed(text('/proc/meminfo', `MemTotal: ${total} kB\nMemAvailable: ${available} kB\n`))

  test('half of it is the most a load may take; more is needed for a moment, for which others may be swapped out', async () => {
    expect((await told('memory', memory(64 * 1024, 60 * 1024)))[0]).toBe('problem')
    expect((await told('memory', memory(4_000_000, 40 * 1024)))[0]).toBe('problem')
    const swap = text('/proc/meminfo', 'MemTotal: 4000000 kB\nMemAvailable: 40960 kB\nSwapFree: 4000000 kB\n')
    const swapped = await examine(changed(swap))
    expect(swapped.checks.filter(({ status }) => status !== 'ok').map(({ id }) => id)).toEqual(['memory'])
    expect(swapped.verdict).toBe('warning')
    expect((await told('memory', memory(4_000_000, 3_000_000)))[0]).toBe('ok')
    expect((await told('memory', changed(text('/proc/meminfo', 'torn'))))[0]).toBe('unknown')
  })
})

describe('entries', () => {
  test('nothing to boot is one problem', async () => {
    const { checks } = await examine(without('/boot', '/usr/lib/modules'))
    expect(checks.filter(({ status }) => status === 'problem').map(({ id }) => id)).toEqual(['boot-entries'])
  })

  test('the kernel is none, the initrd is none or gone, the command line is too long: each in its place', async () => {
    const problemsOf = async (tree: Tree) => {
      const { checks } = await examine(tree)
      return checks.filter(({ status }) => status === 'problem').map(({ id }) => id)
    }
    const text8 = { text: 'just some text\n' }
    const broken = { [`/boot/vmlinuz-${newer}`]: text8, [`/boot/vmlinuz-${older}`]: text8 }
    expect(await problemsOf(changed(broken))).toEqual(['default-entry'])
    expect(await problemsOf(changed({ [`/boot/initrd.img-${newer}`]: text8 }))).toEqual(['initrd'])
    const long = text('/proc/cmdline', `root=/dev/vda1 ${'x'.repeat(3000)}\n`)
    expect(await problemsOf(changed(long))).toEqual(['command-line'])
  })

  test('an initrd that is missing is told once; a menu that names none means it so', async () => {
    const bare = without(`/boot/initrd.img-${newer}`, `/boot/initrd.img-${older}`)
    const { checks } = await examine(bare)
    expect(checks.filter(({ status }) => status !== 'ok').map(({ id, status }) => [id, status])).toEqual([
      ['initrd', 'problem'],
    ])
    const byDevice = { ...bare, ...text('/proc/cmdline', 'root=/dev/vda1 ro\n') }
    expect((await told('initrd', byDevice))[0]).toBe('warning')
    const menu = text('/boot/loader/entries/a.conf', `title A\nlinux /vmlinuz-${newer}\noptions root=/dev/vda1\n`)
    expect((await told('initrd', { ...bare, ...menu }))[0]).toBe('ok')
  })

  test('root= names a file system that is not here', async () => {
    const root = (value: string) => changed(text('/proc/cmdline', `root=${value} ro\n`))
    expect(await told('command-line', root('UUID=ffff-ffff'))).toEqual([
      'warning',
      'The command line names root=UUID=ffff-ffff, but there is no such file system here.',
    ])
    for (const value of ['UUID=0B0C-1d', 'LABEL=root', '/dev/vda1', 'zfs=tank', 'PARTUUID=1-1/PARTNROFF=1'])
      expect((await told('command-line', root(value)))[0], value).toBe('ok')
  })

  test('the newest kernel without modules, or without their index', async () => {
    const absent = without(`/usr/lib/modules/${newer}`)
    expect(await told('modules', absent)).toEqual([
      'warning',
      expect.stringContaining(`/lib/modules/${newer} is absent`),
    ])
    expect((await told('default-entry', absent))[0], 'not told twice').toBe('ok')
    const directory = `/usr/lib/modules/${newer}`
    const rest = without(directory)
    expect((await check('modules', { ...rest, ...text(`${directory}/kernel/x.ko`, '') })).remedy).toBe(
      `depmod ${newer}`,
    )
    const indexed = { ...rest, ...text(`${directory}/kernel/x.ko`, ''), ...text(`${directory}/modules.dep`, '') }
    expect((await told('modules', indexed))[0]).toBe('ok')
  })

  test('/boot or the EFI system partition is configured and not mounted', async () => {
    const mounts = (lines: string) => text('/proc/self/mountinfo', `22 1 254:1 / / rw - ext4 /dev/vda1 rw\n${lines}`)
    expect(await told('boot-mount', changed(mounts('')))).toEqual([
      'warning',
      '/boot/efi is configured, but not mounted: entries may be missing or stale.',
    ])
    const automount = '31 22 0:40 / /boot/efi rw - autofs systemd-1 rw\n'
    expect((await told('boot-mount', changed(mounts(automount))))[0]).toBe('ok')
    const generated = text('/run/systemd/generator.late/efi.mount', '')
    expect((await told('boot-mount', changed(generated)))[1]).toContain('/efi is configured, but not mounted')
    expect((await told('boot-mount', changed(text('/etc/fstab', ''))))[0]).toBe('ok')
  })
})

describe('handover', () => {
  test('the init system', async () => {
    expect((await told('init-system', without('/usr/lib/systemd/system/kexec.target')))[1]).toContain('no kexec.target')
    const runit = { ...without('/run/systemd/system'), ...text('/proc/1/comm', 'runit\n') }
    expect(await check('init-system', runit)).toMatchObject({
      status: 'warning',
      remedy: 'linux-kexec reboot --via direct',
    })
  })

  test('what is loaded', async () => {
    expect((await told('loaded-kernel', changed(text('/sys/kernel/kexec_loaded', '1\n'))))[1]).toContain(
      'A kernel is loaded',
    )
    // Since 7.x the files may be in a directory of their own.
    const newDirectory = { ...without('/sys/kernel/kexec_loaded'), ...text('/sys/kernel/kexec/loaded', '1\n') }
    expect((await told('loaded-kernel', newDirectory))[0]).toBe('ok')
    expect((await told('loaded-kernel', without('/sys/kernel/kexec_loaded')))[0]).toBe('unknown')
  })

  test('a crash kernel that the new one will not have', async () => {
    const loaded = {
      ...text('/sys/kernel/kexec_crash_loaded', '1\n'),
      ...text('/sys/kernel/kexec_crash_size', '268435456\n'),
    }
    expect(await told('crash-kernel', changed(loaded))).toEqual([
      'warning',
      'The new kernel will reserve no memory for a crash kernel, where the running one has 256.0 MiB: its command line has no crashkernel=.',
    ])
    const kept = text('/proc/cmdline', 'root=/dev/vda1 crashkernel=256M\n')
    expect((await told('crash-kernel', changed(loaded, kept)))[0]).toBe('ok')
  })

  test('a crash kernel for which nothing is reserved, although the command line asks for it', async () => {
    expect(await told('crash-kernel', changed(text('/proc/cmdline', 'root=/dev/vda1 crashkernel=8G\n')))).toEqual([
      'warning',
      'No memory is reserved, although crashkernel=8G is on the command line.',
    ])
  })

  test('a watchdog: not running, fed by systemd, by another, never to be stopped', async () => {
    const systemds = { '/proc/1/fd/31': { link: '/dev/watchdog0' } }
    const stopped = await told('watchdog', changed(watchdog('active'), systemds))
    expect(stopped).toEqual(['ok', 'watchdog0 is running; systemd stops it before the kexec.'])
    const kept = text('/etc/systemd/system.conf.d/kexec.conf', '[Manager]\nKExecWatchdogSec=2min\n')
    expect((await told('watchdog', changed(watchdog('active'), systemds, kept)))[0]).toBe('warning')
    expect((await told('watchdog', changed(watchdog('active'))))[0]).toBe('warning')
    expect((await told('watchdog', changed(watchdog('active', '1'), systemds)))[1]).toContain('cannot be stopped')
    const silent = { ...without('/sys/class/watchdog'), '/sys/class/watchdog/watchdog0': 'directory' } as Tree
    expect((await told('watchdog', silent))[0]).toBe('unknown')
    expect((await told('watchdog', without('/sys/class/watchdog')))[0]).toBe('ok')
  })

  const crypt: Tree = {
    ...text('/sys/block/dm-0/dm/uuid', 'CRYPT-LUKS2-0123456789abcdef-luks-root\n'),
    ...text('/sys/block/dm-0/dm/name', 'luks-root\n'),
    '/sys/block/dm-0/slaves/vda3': 'directory',
  }
  const crypttab = (line: string) => text('/etc/crypttab', `# <name> <device> <key> <options>\n${line}\n`)

  test.each([
    ['luks-root UUID=1 none luks,discard', 'warning'],
    ['luks-root UUID=1', 'warning'],
    ['other UUID=1 /etc/key luks', 'warning'],
    ['luks-root UUID=1 /etc/key luks', 'ok'],
    ['luks-root UUID=1 /dev/urandom swap', 'ok'],
    ['luks-root UUID=1 none luks,tpm2-device=auto', 'ok'],
    ['luks-root UUID=1 none tpm2-device=auto,tpm2-measure-pcr=yes', 'warning'],
    ['luks-root UUID=1 none fido2-device=auto', 'warning'],
    ['luks-root UUID=1 none luks,keyscript=decrypt_derived', 'unknown'],
  ])('an encrypted disk with "%s": %s', async (line, status) => {
    const found = await check('disk-encryption', changed(crypt, crypttab(line)))
    expect(found.status).toBe(status)
    expect(found.summary).toContain('luks-root')
  })

  test('an encrypted disk: who has to be asked, and by what it could be opened', async () => {
    expect((await check('disk-encryption', changed(crypt))).remedy).toContain('--tpm2-device=auto /dev/vda3')
    const given = text('/proc/cmdline', 'root=/dev/mapper/luks-root rd.luks.options=tpm2-device=auto\n')
    expect((await told('disk-encryption', changed(crypt, given)))[0]).toBe('ok')
    const verity = text('/sys/block/dm-0/dm/uuid', 'CRYPT-VERITY-0123-usr\n')
    expect((await told('disk-encryption', changed(verity)))[1]).toBe('No encrypted disk is in use.')
  })

  test('kexec handover: as it was built, then as the last kho= has it; and live update', async () => {
    const kho = async (words: string, ...options: readonly string[]) => {
      const lines = ['MAGIC_SYSRQ', 'KEXEC_FILE', ...options].map((option) => `CONFIG_${option}=y\n`)
      const built = text('/proc/config.gz', `\n${lines.join('')}`)
      return (await told('live-update', changed(built, text('/proc/cmdline', `root=/dev/vda1 ${words}\n`))))[1]
    }
    const [built, preset] = ['KEXEC_HANDOVER', 'KEXEC_HANDOVER_ENABLE_DEFAULT']
    const on = 'Kexec handover is on: memory is passed on.'
    const off = 'Kexec handover is off: no memory is passed on.'
    expect(await kho('kho=on')).toBe(off)
    expect(await kho('', built)).toBe(off)
    expect(await kho('kho=1', built)).toBe(on)
    expect(await kho('kho=on kho=off', built, preset)).toBe(off)
    expect(await kho('kho=perhaps', built, preset)).toBe(on)
    expect(await told('live-update', changed({ '/dev/liveupdate': 'empty' }))).toEqual([
      'ok',
      'Live update is on (/dev/liveupdate).',
    ])
  })
})

describe('other roots', () => {
  test('the files of a system that does not run: what they say, and no more', async () => {
    const files = Object.fromEntries(
      Object.entries(healthy).filter(([path]) => !/^\/(?:proc|sys|run|dev)\//.test(path)),
    )
    const entry = text(
      '/boot/loader/entries/a.conf',
      `title A\nlinux /vmlinuz-${newer}\ninitrd /initrd.img-${newer}\noptions ro\n`,
    )
    const { verdict, checks } = await examine({ ...files, ...entry, '/boot/efi/EFI': 'directory' })
    expect(verdict).toBe('ok')
    const known = checks.filter(({ status }) => status !== 'unknown').map(({ id }) => id)
    expect(known).toEqual(['boot-entries', 'default-entry', 'initrd', 'command-line', 'modules', 'boot-mount'])
  })

  test('torn and hostile files are findings, never errors', async () => {
    const noise = Buffer.from(Array.from({ length: 3000 }, (_, index) => (index * 7919) % 256))
    const root = makeMachine(healthy)
    const files = Object.entries(healthy).filter(([, content]) => typeof content === 'object' && 'text' in content)
    for (const [path, content] of files) {
      const file = join(root, path)
      for (const bytes of [noise, '']) {
        writeFileSync(file, bytes)
        expect((await diagnose({ root })).checks.length, path).toBeGreaterThan(18)
      }
      writeFileSync(file, (content as { text: string }).text)
    }
  })

  test('an empty directory, and none', async () => {
    expect((await diagnose({ root: makeMachine({ '/x': 'directory' }) })).verdict).toBe('problem')
    await expect(diagnose({ root: '/nowhere' })).rejects.toThrow(KexecError)
    await expect(diagnose({ root: makeMachine(healthy), signal: AbortSignal.abort() })).rejects.toMatchObject({
      reason: 'aborted',
    })
  })
})

test('a kernel that was loaded before loading was shut still starts, and no other takes its place', async () => {
  const loaded = text('/sys/kernel/kexec_loaded', '1\n')
  expect((await told('loaded-kernel', changed(loaded)))[1]).toContain('a new load replaces it')
  const off = await told('loaded-kernel', changed(loaded, text('/proc/sys/kernel/kexec_load_disabled', '1\n')))
  expect(off[1]).toContain('It still starts, but no other can take its place: loading is switched off')
  expect((await told('loaded-kernel', changed(loaded, lockdown('integrity'))))[1]).toContain('must be signed')
})
