import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseCommandLine, printCommandLine } from '../../../src/cmdline/parse.ts'
import { reuseCommandLine } from '../../../src/cmdline/reuse.ts'
import type { PlanOptions } from '../../../src/plan/model/options.ts'
import { plan } from '../../../src/plan/plan.ts'
import type { Tree } from '../entries/tree.ts'
import { debian, makeMachine, newer, older } from './debian.ts'

/** The entry 'chosen' of one release, and 'other' of the other. */
const entries = (release: string) =>
  [release, release === older ? newer : older]
    .map(
      (each, index) => `menuentry 'Debian, ${each}' --id ${index === 0 ? 'chosen' : 'other'} {
  linux /boot/vmlinuz-${each} root=/dev/vda1 ro quiet
  initrd /boot/initrd.img-${each}
}
`,
    )
    .join('')

/** GRUB as it stands on a machine whose older kernel runs, and is the default. */
const grub = (release: string): Tree => ({
  '/boot/grub/grub.cfg': {
    text: `set timeout=5\nset default=chosen\n${entries(release)}`,
  },
})

async function trial(options: PlanOptions = {}, tree: Tree = {}) {
  const root = makeMachine({ ...debian, ...grub(older), ...tree })
  using made = await plan({ entry: newer, trial: true, root, ...options })
  return made.toJSON()
}

const codes = (remarks: readonly { readonly code?: unknown; readonly reason?: unknown }[]) =>
  remarks.map(({ code, reason }) => reason ?? code)

describe('without a watchdog', () => {
  test('nothing would end a hang: refused, with the reason and a way on', async () => {
    const { refusals, trial: planned } = await trial()
    expect(codes(refusals)).toEqual(['no-guard'])
    expect(refusals[0]).toMatchObject({
      summary: expect.stringMatching(/^if the kernel hangs, nothing would bring the machine back: /),
      hint: expect.stringContaining('--trial=best-effort'),
    })
    expect(planned?.guards).toEqual({ panic: 5, watchdog: null, deadman: true })
    expect(planned?.coverage.map(({ failure, guard }) => [failure, guard !== null])).toEqual([
      ['panic', true],
      ['hang', false],
      ['userspace', true],
      ['check', true],
    ])
  })

  test('best effort: the gap is a warning', async () => {
    const { refusals, warnings } = await trial({ trial: { allowGaps: true } })
    expect(refusals).toEqual([])
    expect(codes(warnings)).toContain('trial-gap')
  })

  test('nor an initrd: no program can watch over userspace', async () => {
    const { refusals } = await trial({ noInitrd: true })
    expect(refusals.filter(({ reason }) => reason === 'no-guard').map(({ summary }) => summary)).toEqual([
      expect.stringMatching(/^if the kernel hangs/),
      expect.stringMatching(/^if userspace does not come up, .*no initrd/),
      expect.stringMatching(/^if a health check fails, .*no initrd/),
    ])
  })
})

describe('the command line', () => {
  test('names the trial and its guards; the next load takes them off again', async () => {
    const { commandLine, trial: planned } = await trial()
    expect(planned?.id).toMatch(/^[0-9a-f]{16}$/)
    expect(parseCommandLine(commandLine).parameters.map(({ raw }) => raw)).toEqual(
      expect.arrayContaining([
        `linux_kexec.trial=${planned?.id}`,
        'panic=5',
        'oops=panic',
        'rdinit=/linux-kexec-deadman',
      ]),
    )
    expect(printCommandLine(reuseCommandLine(commandLine))).toBe('root=/dev/vda1 ro quiet')
  })

  test("the administrator's panic= is kept, unless it waits for ever", async () => {
    const kept = await trial({ append: 'panic=30' })
    expect(kept.trial?.guards.panic).toBe(30)
    expect(kept.commandLine).not.toContain('panic=5')
    const never = await trial({ append: 'panic=0' })
    expect(never.trial?.guards.panic).toBeNull()
    expect(never.refusals.map(({ summary }) => summary)).toContainEqual(expect.stringMatching(/^if the kernel panics/))
    const atOnce = await trial({ append: 'panic=-1' })
    expect(atOnce.trial?.guards.panic).toBe(0)
  })

  test('a guard that is removed guards nothing', async () => {
    const { refusals, trial: planned } = await trial({ remove: ['panic', 'rdinit'] })
    expect(planned?.guards).toEqual({ panic: null, watchdog: null, deadman: false })
    expect(refusals.filter(({ reason }) => reason === 'no-guard')).toHaveLength(4)
  })

  test('another rdinit= behind ours would start without the deadman', async () => {
    expect((await trial({ append: 'rdinit=/bin/sh' })).trial?.guards.deadman).toBe(false)
  })

  test('lockup detectors are used where the new kernel has them', async () => {
    const none = await trial()
    expect(none.commandLine).not.toContain('softlockup_panic')
    const configuration = (text: string): Tree => ({ [`/boot/config-${newer}`]: { text } })
    const both = await trial(
      {},
      configuration('#\nCONFIG_SOFTLOCKUP_DETECTOR=y\nCONFIG_HARDLOCKUP_DETECTOR=y\nCONFIG_DEBUG_KERNEL=y\n'),
    )
    expect(both.commandLine).toContain('softlockup_panic=1')
    expect(both.commandLine).toContain('nmi_watchdog=panic')
    // That of the running kernel says nothing about the new one.
    const other = await trial(
      {},
      { '/proc/config.gz': { text: '#\nCONFIG_SOFTLOCKUP_DETECTOR=y\nCONFIG_DEBUG_KERNEL=y\n' } },
    )
    expect(other.commandLine).not.toContain('softlockup_panic')
  })

  test('without the trial on it nobody could tell what runs', async () => {
    expect(codes((await trial({ remove: 'linux_kexec.trial' })).refusals)).toContain('invalid-argument')
  })
})

describe('the way back', () => {
  test('is the default of the boot loader', async () => {
    const { trial: planned, decisions } = await trial()
    expect(planned?.rollback).toMatchObject({ entry: 'chosen', kernel: `/boot/vmlinuz-${older}` })
    expect(decisions.map(({ choice }) => choice)).toContain(`a reset boots 'Debian, ${older}'`)
  })

  test('a default that is the kernel on trial is refused', async () => {
    const { refusals } = await trial({}, grub(newer))
    expect(codes(refusals)).toContain('no-rollback')
  })

  test('may be another where EFI variables cannot be seen: BootNext', async () => {
    const hidden: Tree = { '/sys/firmware/efi/efivars': 'directory' }
    const warned = ({ warnings }: Awaited<ReturnType<typeof trial>>) =>
      warnings.filter(({ code }) => code === 'trial-rollback').map(({ text }) => text)
    for (const fallback of [{}, { fallback: 'chosen' }])
      expect(warned(await trial({ trial: { allowGaps: true, ...fallback } }, hidden))).toEqual(
        expect.arrayContaining([expect.stringMatching(/^the EFI variables cannot be seen: .*BootNext/)]),
      )
    expect(warned(await trial({ trial: { fallback: 'chosen' } })).join()).not.toContain('BootNext')
  })

  test('--fallback makes it another entry, by the variables that grub.cfg evaluates', async () => {
    const asDebian: Tree = {
      '/boot/grub/grub.cfg': {
        text: `set timeout=5
load_env
set default="\${saved_entry}"
if [ "\${next_entry}" ]; then set default="\${next_entry}"; set next_entry=; save_env next_entry; fi
${entries(newer)}`,
      },
      '/boot/grub/grubenv': { text: '# GRUB Environment Block\nsaved_entry=chosen\n'.padEnd(1024, '#') },
    }
    expect(codes((await trial({}, asDebian)).refusals)).toContain('no-rollback')
    const { refusals, trial: planned } = await trial({ trial: { fallback: 'other', allowGaps: true } }, asDebian)
    expect(refusals).toEqual([])
    expect(planned?.rollback).toMatchObject({ entry: 'other', kernel: `/boot/vmlinuz-${older}` })
  })

  test('is the default, too, for its own kernel from memory with another initrd, as an updater loads it', async () => {
    const root = makeMachine({ ...debian, ...grub(older) })
    const [kernel, initrd] = [`boot/vmlinuz-${older}`, `boot/initrd.img-${older}`].map((path) =>
      readFileSync(join(root, path)),
    ) as [Buffer, Buffer]
    const refusals = async (options: PlanOptions) => {
      const line = { commandLine: 'root=/dev/vda1 ro quiet', trial: { allowGaps: false } }
      using made = await plan({ kernel, ...line, root, ...options })
      return made.refusals.filter(({ reason }) => reason === 'no-rollback').map(({ message }) => message)
    }
    expect(await refusals({ initrds: [Buffer.concat([initrd, initrd])] })).toEqual([])
    expect(await refusals({ initrds: [initrd] })).toEqual([
      expect.stringContaining('is the very kernel that is to be tried'),
    ])
  })

  test('no boot loader, no way back that is known', async () => {
    const root = makeMachine(debian)
    using made = await plan({ entry: newer, trial: true, root })
    expect(codes(made.refusals)).toContain('no-rollback')
    using accepted = await plan({ entry: newer, trial: { allowGaps: true }, root })
    expect(accepted.refusals).toEqual([])
    expect(codes(accepted.warnings)).toEqual(expect.arrayContaining(['trial-gap', 'trial-rollback']))
  })
})

describe('what excludes a trial', () => {
  test.each([
    ['a crash kernel', { panic: true }],
    ['a command line word for word', { exactCommandLine: 'root=/dev/vda1' }],
    ['no time at all', { trial: { deadline: 0 } }],
    ['parts of a second', { trial: { deadline: 1500 } }],
    ['more than a day', { trial: { deadline: 86_401_000 } }],
  ] satisfies [string, PlanOptions][])('%s', async (_, options) => {
    await expect(trial(options)).rejects.toMatchObject({ reason: 'invalid-argument', refused: true })
  })

  test('no trial where none is asked for', async () => {
    const { trial: planned, commandLine } = await trial({ trial: false })
    expect([planned, commandLine]).toEqual([null, 'root=/dev/vda1 ro quiet'])
  })
})

test('a kernel that failed its trial is warned of, whatever the load', async () => {
  const target = { kernel: `/boot/vmlinuz-${newer}`, release: newer, commandLine: 'root=/dev/vda1', initrdSha256: null }
  const record = (changes: object) => ({
    ...{ schemaVersion: 1, id: '0123456789abcdef', state: 'failed', times: { failed: '2026-11-30T08:00:00.000Z' } },
    ...{ reason: 'The check 20-network failed with status 3.', deadline: 120_000, target, rollback: null },
    ...{ guards: { panic: 5, watchdog: null, deadman: true }, from: { release: older, bootId: 'an earlier one' } },
    ...changes,
  })
  const warningsWith = async (changes: object) => {
    const root = makeMachine({ ...debian, ...grub(older) })
    mkdirSync(join(root, 'var/lib/linux-kexec'), { recursive: true, mode: 0o700 })
    const path = join(root, 'var/lib/linux-kexec/trial.json')
    writeFileSync(path, JSON.stringify(record(changes)), { mode: 0o600 })
    using made = await plan({ entry: newer, root })
    return made.warnings
  }
  expect(await warningsWith({})).toContainEqual({
    code: 'failed-trial',
    text: expect.stringContaining('did not pass: The check 20-network failed with status 3; boot it once'),
  })
  expect(codes(await warningsWith({ state: 'confirmed', times: { confirmed: '2026-11-30T08:00:00.000Z' } }))).toEqual(
    [],
  )
  expect(codes(await warningsWith({ target: { ...target, kernel: `/boot/vmlinuz-${older}` } }))).toEqual([])
  using current = await plan({ entry: newer, root: makeMachine(debian) })
  const build = /#\d.*$/.exec(current.image.versionString ?? '')?.[0]
  expect(build).toMatch(/^#\d/)
  expect(codes(await warningsWith({ target: { ...target, version: build } }))).toEqual(['failed-trial'])
  expect(codes(await warningsWith({ target: { ...target, version: '#1 SMP of another day' } }))).toEqual([])
})

test('a record in memory would be lost with the kexec', async () => {
  const mounts = (type: string): Tree => ({
    '/proc/self/mountinfo': { text: `22 1 254:1 / / rw - ext4 /dev/vda1 rw\n31 22 0:40 / /var rw - ${type} x rw\n` },
  })
  expect(codes((await trial({}, mounts('tmpfs'))).warnings)).toContain('trial-record')
  expect(codes((await trial({}, mounts('ext4'))).warnings)).not.toContain('trial-record')
})

describe('the black box', () => {
  const reserved = 'memmap=1M$0x10000000 ramoops.mem_address=0x10000000 ramoops.mem_size=0x100000'
  const running: Tree = { '/proc/cmdline': { text: `root=/dev/vda1 ro quiet ${reserved}\n` } }
  const decided = ({
    decisions,
  }: {
    readonly decisions: readonly { readonly choice: string; readonly reason: string }[]
  }) => decisions.find(({ choice }) => choice.startsWith('if it dies'))

  test('is that of the running kernel; the next load takes its parameters off again', async () => {
    const made = await trial({}, running)
    for (const each of [...reserved.split(' '), 'ramoops.max_reason=3'])
      expect(parseCommandLine(made.commandLine).parameters.map(({ raw }) => raw)).toContain(each)
    expect(decided(made)?.choice).toContain('kept in 1024 KiB at 0x10000000')
    expect(printCommandLine(reuseCommandLine(made.commandLine))).toBe('root=/dev/vda1 ro quiet')
  })

  test('is none without ramoops, or with other parameters than those of the machine', async () => {
    expect(decided(await trial())).toMatchObject({
      choice: 'if it dies: its last messages are not kept',
      reason: expect.stringContaining('no memory for ramoops'),
    })
    const other = await trial({ append: 'ramoops.mem_address=0x20000000' }, running)
    expect(decided(other)?.reason).toContain('other parameters')
    expect(other.commandLine).not.toContain('ramoops.mem_address=0x10000000')
    const removed = await trial({ remove: ['memmap'] }, running)
    expect(decided(removed)?.choice).toContain('not kept')
    const absent: Tree = {
      [`/usr/lib/modules/${newer}/modules.dep`]: { text: 'kernel/a.ko:\n' },
      [`/usr/lib/modules/${newer}/modules.builtin`]: { text: 'kernel/b.ko\n' },
    }
    const none = await trial({}, { ...running, ...absent })
    expect(decided(none)?.reason).toContain('the new kernel has no ramoops')
    expect(none.commandLine).not.toContain('ramoops')
  })

  test('is written to by the ramoops that the deadman loads, or by one that is built in', async () => {
    const directory = `/usr/lib/modules/${newer}`
    const modules: Tree = {
      [`${directory}/modules.dep`]: { text: 'kernel/fs/pstore/ramoops.ko:\n' },
      [`${directory}/modules.builtin`]: { text: 'kernel/b.ko\n' },
      [`${directory}/kernel/fs/pstore/ramoops.ko`]: { text: 'module' },
    }
    expect(decided(await trial({}, { ...running, ...modules }))?.reason).toContain('the deadman loads ramoops')
    expect(decided(await trial({ noInitrd: true }, { ...running, ...modules }))?.reason).toContain('once its initrd')
    const builtIn: Tree = {
      [`${directory}/modules.dep`]: { text: 'kernel/a.ko:\n' },
      [`${directory}/modules.builtin`]: { text: 'kernel/fs/pstore/ramoops.ko\n' },
    }
    expect(decided(await trial({}, { ...running, ...builtIn }))?.reason).toContain('built in')
  })
})
