import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type PlanOptions, plan } from '../../../src/index.ts'
import { formatBytes } from '../../../src/text.ts'
import { emptyArchive } from '../entries/tree.ts'
import { debian, kernelOf, makeMachine, newer, older } from './debian.ts'

const texts = (remarks: readonly { text: string }[]) => remarks.map(({ text }) => text)

/** The plan as plain data; closed again. */
async function planned(options: PlanOptions) {
  using made = await plan(options)
  return made.toJSON()
}

const reasons = ({ refusals }: { refusals: { reason?: unknown }[] }) => refusals.map(({ reason }) => reason)

describe('decisions', () => {
  test('without a word: the newest entry with its initrd and the running command line', async () => {
    const root = makeMachine()
    expect(await planned({ root })).toMatchObject({
      root,
      entry: `vmlinuz-${newer}`,
      kernel: `/boot/vmlinuz-${newer}`,
      version: newer,
      initrds: [`/boot/initrd.img-${newer}`],
      commandLine: 'root=/dev/vda1 ro quiet',
      panic: false,
      engine: 'file',
      warnings: [],
      refusals: [],
    })
  })

  test('every choice has its reason', async () => {
    using made = await plan({ root: makeMachine(), entry: 'running', remove: 'quiet', append: ['a=1', 'b=2'] })
    expect(made.decisions).toEqual([
      {
        subject: 'kernel',
        choice: `/boot/vmlinuz-${older}`,
        reason: `entry vmlinuz-${older}: chosen by 'running', one of 2 entries found`,
      },
      { subject: 'initrd', choice: `/boot/initrd.img-${older}`, reason: 'it belongs to the entry' },
      {
        subject: 'command line',
        choice: 'root=/dev/vda1 ro a=1 b=2',
        reason:
          "the running kernel's without BOOT_IMAGE and initrd: the entry has none of its own, without quiet, with a=1 appended, with b=2 appended",
      },
      { subject: 'engine', choice: 'file', reason: 'kexec_file_load: the kernel itself reads and checks the image' },
    ])
    const text = made.explain()
    for (const { choice, reason } of made.decisions) {
      expect(text).toContain(choice)
      expect(text).toContain(reason)
    }
  })

  test('initrds that are given replace those of the entry, in their order', async () => {
    const root = makeMachine({ ...debian, '/tmp/first': 'initrd', '/tmp/second': 'initrd' })
    const { initrds } = await planned({ root, entry: 'newest', initrds: ['/tmp/first', '/tmp/second'] })
    expect(initrds).toEqual(['/tmp/first', '/tmp/second'])
    expect((await planned({ root, entry: 'newest', noInitrd: true })).initrds).toEqual([])
  })

  test('a crash kernel says so, and does not inherit crashkernel=', async () => {
    const root = makeMachine({ ...debian, '/proc/cmdline': { text: 'root=/dev/vda1 crashkernel=256M\n' } })
    const made = await planned({ root, panic: true })
    expect(made.panic).toBe(true)
    expect(made.commandLine).toMatch(/^root=\/dev\/vda1 nr_cpus=1 irqpoll reset_devices /)
    expect(made.decisions.map(({ subject }) => subject)).toContain('kind')
    const line = made.decisions.find(({ subject }) => subject === 'command line')
    expect(line?.reason).toContain('without crashkernel=256M, with nr_cpus=1')
    const why = made.decisions.find(({ choice }) => choice === 'nr_cpus=1')
    expect(why).toEqual({ subject: 'parameter', choice: 'nr_cpus=1', reason: expect.stringContaining('one CPU') })
    expect((await planned({ root })).commandLine).toContain('crashkernel=256M')
  })

  test("of a crash kernel's line, --remove and --append have the last word, and a given line is taken as it is", async () => {
    const root = makeMachine({ ...debian, '/proc/cmdline': { text: 'ro crashkernel=256M\n' } })
    const edited = await planned({ root, panic: true, remove: ['irqpoll', 'crashkernel'], append: 'panic=0' })
    expect(edited.commandLine).toBe(
      'ro nr_cpus=1 reset_devices cgroup_disable=memory udev.children-max=2 noresume panic=0',
    )
    expect(edited.decisions.map(({ choice }) => choice)).not.toContain('irqpoll')
    expect(edited.warnings.map(({ code }) => code)).not.toContain('no-such-parameter')
    const given = await planned({ root, panic: true, commandLine: 'ro crashkernel=1G' })
    expect(given.commandLine).toBe('ro crashkernel=1G')
  })

  test("a crash kernel does not inherit the entry's crashkernel= either", async () => {
    const menu = 'set default=0\nmenuentry one { linux /vmlinuz-6.1.0-50-cloud-amd64 ro crashkernel=512M }\n'
    const root = makeMachine({ ...debian, '/boot/grub/grub.cfg': { text: menu } })
    const made = await planned({ root, panic: true, entry: 'one' })
    expect(made.commandLine).toMatch(/^ro nr_cpus=1/)
  })
})

test('--try-anyway has a say about memory, too', async () => {
  const meminfo = 'MemTotal: 60000 kB\nMemAvailable: 20000 kB\nSwapFree: 0 kB\n'
  const root = makeMachine({ ...debian, '/proc/meminfo': { text: meminfo } })
  const refused = await planned({ root })
  expect(refused.refusals.map(({ reason }) => reason)).toEqual(['no-memory'])
  const asked = await planned({ root, tryAnyway: true })
  expect(asked.refusals).toEqual([])
  expect(asked.warnings).toMatchObject([
    { code: 'memory-short', text: expect.stringContaining('the kernel is asked anyway') },
  ])
})

describe('warnings', () => {
  test('a kernel that every user may write', async () => {
    const root = makeMachine()
    chmodSync(join(root, `/boot/vmlinuz-${newer}`), 0o666)
    expect((await planned({ root })).warnings).toEqual([
      { code: 'exposed-files', text: `/boot/vmlinuz-${newer} is writable by every user: anyone could replace it` },
    ])
  })

  test('a directory that every user may write, unless only owners may rename in it', async () => {
    const root = makeMachine()
    chmodSync(join(root, 'boot'), 0o777)
    const { warnings } = await planned({ root })
    const [kernel, initrd] = [`/boot/vmlinuz-${newer}`, `/boot/initrd.img-${newer}`]
    expect(texts(warnings)).toEqual([`/boot is writable by every user: anyone could replace ${kernel}, ${initrd}`])
    chmodSync(join(root, 'boot'), 0o1777)
    expect((await planned({ root })).warnings).toEqual([])
  })

  test('no modules for an entry: once, as its problem', async () => {
    const { [`/usr/lib/modules/${newer}`]: _, ...without } = debian
    const { warnings } = await planned({ root: makeMachine(without), entry: newer })
    expect(texts(warnings)).toEqual([
      `There is no modules directory for ${newer}: /lib/modules/${newer} does not exist.`,
    ])
  })

  test('no modules for a file', async () => {
    const root = makeMachine({ ...debian, '/root/bzImage': { kernel: '6.18.0-rc1' } })
    const { warnings } = await planned({ root, kernel: '/root/bzImage', commandLine: 'root=/dev/vda1' })
    const text = 'there is no /lib/modules/6.18.0-rc1: the new kernel will find no modules on this root file system'
    expect(warnings).toEqual([{ code: 'no-modules', text }])
  })

  test.each(['/lib', '/usr/lib'])('modules of a file are in %s, which is enough', async (library) => {
    const kernel = {
      '/root/bzImage': { kernel: '6.18.0-rc1' },
      [`${library}/modules/6.18.0-rc1`]: 'directory',
    } as const
    const root = makeMachine({ ...debian, ...kernel })
    expect((await planned({ root, kernel: '/root/bzImage', commandLine: 'root=/dev/vda1' })).warnings).toEqual([])
  })

  test('an initrd that is a file system of its own', async () => {
    const root = makeMachine({ ...debian, '/tmp/disk': { text: 'hsqs and so on' } })
    const { warnings, refusals } = await planned({ root, initrds: ['/tmp/disk'] })
    expect(warnings.map(({ code }) => code)).toEqual(['initrd-ram-disk'])
    expect(texts(warnings)).toEqual([
      '/tmp/disk is a squashfs file system: only a kernel that mounts it as a RAM disk (CONFIG_BLK_DEV_RAM, root=/dev/ram0) makes use of it',
    ])
    expect(refusals).toEqual([])
  })

  test('a compressed initrd is looked into', async () => {
    const compressed = { '/tmp/initrd.gz': { file: gzipSync(emptyArchive) }, '/tmp/notes.gz': 'gzip' } as const
    const root = makeMachine({ ...debian, ...compressed })
    expect((await planned({ root, initrds: ['/tmp/initrd.gz'] })).warnings).toEqual([])
    const { warnings, refusals } = await planned({ root, initrds: ['/tmp/notes.gz'] })
    expect(warnings.map(({ code }) => code)).toEqual(['initrd-not-archive'])
    expect(texts(warnings)).toEqual([
      '/tmp/notes.gz unpacks to a text file, not a cpio archive: the new kernel will not unpack it',
    ])
    expect(refusals).toEqual([])
  })

  test('neither root= nor an initrd', async () => {
    const root = makeMachine()
    expect((await planned({ root, noInitrd: true, commandLine: 'quiet' })).warnings).toMatchObject([
      { code: 'no-root' },
    ])
    expect((await planned({ root, commandLine: 'quiet' })).warnings).toEqual([])
  })

  test('a parameter to remove that is not there', async () => {
    const { warnings } = await planned({ root: makeMachine(), remove: 'quite' })
    const text = "remove: 'quite': the command line has no such parameter"
    expect(warnings).toEqual([{ code: 'no-such-parameter', text }])
  })
})

describe('refusals', () => {
  test('all are told together', async () => {
    const root = makeMachine({ ...debian, '/boot/not': { text: 'nothing' }, '/boot/none': 'empty' })
    const made = await planned({
      root,
      kernel: '/boot/not',
      initrds: ['/boot/none', '/boot/absent'],
      panic: true,
      deviceTree: '/boot/x.dtb',
    })
    expect(reasons(made)).toEqual(['not-a-kernel', 'not-found', 'not-an-initrd', 'no-command-line', 'invalid-argument'])
    for (const refusal of made.refusals) expect(refusal).toMatchObject({ refused: true, hint: expect.any(String) })
  })

  test('load() throws the first, and has asked nothing of the kernel', async () => {
    const made = await plan({ root: makeMachine(), kernel: `/boot/vmlinuz-${newer}`, noInitrd: true })
    await expect(made.load()).rejects.toMatchObject({ reason: 'no-command-line', refused: true })
    await expect(made.load()).rejects.toMatchObject({ refused: true })
    made.close()
  })

  test('a plan that was closed is not loaded', async () => {
    const made = await plan({ root: makeMachine(debian), entry: newer })
    made.close()
    await expect(made.load()).rejects.toMatchObject({ reason: 'invalid-argument', refused: true })
  })

  test('a truncated kernel', async () => {
    const root = makeMachine({ ...debian, '/boot/cut': { file: kernelOf(older) } })
    expect(reasons(await planned({ root, kernel: '/boot/cut', commandLine: 'ro' }))).toEqual(['truncated-kernel'])
  })

  test('a directory', async () => {
    const made = await planned({ root: makeMachine(), kernel: '/boot', commandLine: 'ro' })
    expect(made.refusals).toMatchObject([{ reason: 'not-a-kernel', path: '/boot' }])
    expect(made.refusals[0]?.['summary']).toContain('this is a directory')
  })

  test('an initrd that is empty, a directory, absent, or no archive', async () => {
    const root = makeMachine({
      ...debian,
      '/boot/none': 'empty',
      '/tmp/notes': { text: 'buy milk\n' },
      '/tmp/old': { text: '070707 from the seventies' },
    })
    for (const [initrd, reason] of [
      ['/boot/none', 'not-an-initrd'],
      ['/tmp/notes', 'not-an-initrd'],
      ['/tmp/old', 'not-an-initrd'],
      ['/boot', 'not-an-initrd'],
      ['/boot/absent', 'not-found'],
    ] as const)
      expect(reasons(await planned({ root, initrds: [initrd] })), initrd).toEqual([reason])
  })

  test('a command line of the limit is planned, and of one byte more refused', async () => {
    const root = makeMachine()
    expect(reasons(await planned({ root, commandLine: 'a'.repeat(2016) }))).toEqual([])
    expect(reasons(await planned({ root, commandLine: `${'a'.repeat(2014)}à` }))).toEqual([])
    expect(reasons(await planned({ root, commandLine: 'a'.repeat(2017) }))).toEqual(['cmdline-too-long'])
    expect(reasons(await planned({ root, commandLine: `${'a'.repeat(2015)}à` }))).toEqual(['cmdline-too-long'])
  })

  test('no running command line to reuse', async () => {
    const { '/proc/cmdline': _, ...without } = debian
    expect(reasons(await planned({ root: makeMachine(without) }))).toEqual(['no-command-line'])
  })

  test('what cannot be planned at all is thrown', async () => {
    const root = makeMachine()
    await expect(plan({ root, entry: '7.0' })).rejects.toMatchObject({ reason: 'no-such-entry', refused: true })
    await expect(plan({ root, entry: 'x', kernel: 'y' })).rejects.toMatchObject({ reason: 'invalid-argument' })
    await expect(plan({ root, kernel: '/absent' })).rejects.toMatchObject({ reason: 'not-found' })
    await expect(plan({ root, append: 'a "b' })).rejects.toMatchObject({ reason: 'invalid-argument' })
    await expect(plan({ root, signal: AbortSignal.abort() })).rejects.toMatchObject({ reason: 'aborted' })
  })
})

test('explain() keeps each fact on its line, whatever a file is called', async () => {
  const root = makeMachine({ ...debian, '/boot/vmlinuz-6.13.0\nwarning: forged': { kernel: '6.13.0' } })
  using made = await plan({ root, kernel: '/boot/vmlinuz-6.13.0\nwarning: forged', commandLine: 'root=/dev/vda1' })
  expect(made.explain()).toContain('vmlinuz-6.13.0\\x0awarning: forged')
  expect(made.explain()).not.toMatch(/^warning: forged/m)
})

test('sizes for people', () => {
  expect([0, 1, 1023, 1024, 5000, 14_148_096, 3 * 1024 ** 3].map(formatBytes)).toEqual([
    '0 bytes',
    '1 byte',
    '1023 bytes',
    '1.0 KiB',
    '4.9 KiB',
    '13.5 MiB',
    '3.0 GiB',
  ])
})

test('an entry that starts no Linux kernel: the hint names those that do', async () => {
  const menu = 'menuentry other { chainloader +1 }\n'
  const root = makeMachine({ ...debian, '/boot/grub/grub.cfg': { text: menu } })
  const failed = plan({ root, entry: 'other' })
  await expect(failed).rejects.toMatchObject({
    reason: 'not-a-kernel',
    hint: expect.stringMatching(/Load one of: .*6\.12/),
  })
})
