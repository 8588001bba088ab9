import { describe, expect, test } from 'vitest'
import { type PlanOptions, plan } from '../../../../src/index.ts'
import { peImage } from '../../entries/bls/image.ts'
import { kernelOf, type Tree } from '../../entries/tree.ts'
import { debian, makeMachine, newer, older } from '../debian.ts'

const kernel = `/boot/vmlinuz-${newer}`

/** The command line, why it is that one, and what is said besides. */
async function chosen(options: PlanOptions) {
  using made = await plan({ noInitrd: true, ...options })
  const decisions = made.decisions.filter(({ subject }) => subject === 'command line')
  return {
    line: made.commandLine,
    why: decisions.map(({ reason }) => reason).join(),
    choices: decisions.map(({ choice }) => choice),
    parameters: made.decisions.filter(({ subject }) => subject === 'parameter').map(({ choice }) => choice),
    warnings: made.warnings.map(({ code, text }) => `${code}: ${text}`),
    refusals: made.refusals.map(({ reason, path, summary, hint }) => `${reason} ${path}: ${summary}. ${hint}`),
  }
}

describe('where it comes from', () => {
  const conf: Tree = {
    '/boot/loader/entries/a.conf': {
      text: `title A\nlinux /vmlinuz-${newer}\noptions root=/dev/vda1 initrd=/x BOOT_IMAGE=/y initrd=/z\n`,
    },
  }

  test('word for word', async () => {
    expect(await chosen({ root: makeMachine(), kernel, exactCommandLine: 'root=/dev/vda1  "a b"' })).toMatchObject({
      line: 'root=/dev/vda1  "a b"',
      why: 'given, and used verbatim',
    })
    expect(await chosen({ root: makeMachine(), kernel, commandLine: 'root=/dev/vda1' })).toMatchObject({
      line: 'root=/dev/vda1',
      why: 'given with commandLine',
    })
  })

  test('of the running kernel, on request and where an entry has none', async () => {
    const root = makeMachine()
    expect(await chosen({ root, kernel, reuseCommandLine: true })).toMatchObject({
      line: 'root=/dev/vda1 ro quiet',
      why: "the running kernel's without BOOT_IMAGE and initrd: asked for with reuseCommandLine: true",
    })
    expect((await chosen({ root, entry: newer })).why).toBe(
      "the running kernel's without BOOT_IMAGE and initrd: the entry has none of its own",
    )
  })

  test('of the entry, without what its boot loader says there, each named once', async () => {
    const made = await chosen({ root: makeMachine({ ...debian, ...conf }), entry: 'a.conf' })
    expect(made.line).not.toContain('initrd')
    expect(made.why).toMatch(/^the entry's own(, without (initrd|BOOT_IMAGE)){1,2}$/)
    expect(made.why.match(/initrd/g)).toHaveLength(1)
  })

  test('of the image, where it has one; of an entry that says one itself, that', async () => {
    const sections = [
      ['.osrel', 'ID=debian\nNAME=Debian\n'],
      ['.uname', newer],
      ['.cmdline', 'root=/dev/vda1 of=image'],
      ['.linux', kernelOf(newer)],
    ] as const
    const uki = { file: peImage({ sections: sections.map(([name, content]) => [name, content]) }) }
    const extra: Tree = {
      '/sys/firmware/dmi/entries/11-0/raw': {
        text: `\x0b\x05\x00\x0b\x02io.systemd.stub.kernel-cmdline-extra=from=host\0\0`,
      },
    }
    const entry = 'title A\nlinux /own.efi\noptions root=/dev/vda1 of=entry\n'
    const root = makeMachine({
      ...debian,
      ...extra,
      '/boot/own.efi': uki,
      '/efi/EFI/Linux/one.efi': uki,
      '/boot/loader/entries/a.conf': { text: entry },
    })
    expect(await chosen({ root, kernel: '/boot/own.efi', noInitrd: false })).toMatchObject({
      line: 'root=/dev/vda1 of=image from=host',
      why: "the image's own",
    })
    expect(await chosen({ root, entry: 'a.conf', noInitrd: false })).toMatchObject({
      line: 'root=/dev/vda1 of=entry',
      why: "the entry's own",
    })
    // An image that is an entry by itself: the menu does not know what the hypervisor adds.
    expect(await chosen({ root, entry: 'one.efi', noInitrd: false })).toMatchObject({
      line: 'root=/dev/vda1 of=image from=host',
      why: "the image's own",
    })
  })

  test('nowhere: the refusal says what to add', async () => {
    expect(await chosen({ root: makeMachine(), kernel })).toMatchObject({
      line: '',
      choices: [],
      refusals: [
        `no-command-line ${kernel}: a kernel file comes without a command line, and none was given. Add reuseCommandLine: true for the running kernel's, or commandLine: 'root=… ro'.`,
      ],
    })
    const { '/proc/cmdline': _, ...without } = debian
    expect((await chosen({ root: makeMachine(without), entry: newer })).refusals).toEqual([
      "no-command-line /proc/cmdline: there is no running command line to reuse. Give the command line with commandLine: 'root=… ro'.",
    ])
  })

  test('from two places at once: thrown', async () => {
    await expect(
      plan({ root: makeMachine(), kernel, commandLine: 'ro', reuseCommandLine: true }),
    ).rejects.toMatchObject({
      reason: 'invalid-argument',
      summary: 'commandLine and reuseCommandLine: true exclude each other',
      hint: 'Give one of the two.',
      refused: true,
    })
    await expect(plan({ root: makeMachine(), kernel, commandLine: 'a "b' })).rejects.toMatchObject({
      reason: 'invalid-argument',
    })
  })
})

describe('what is taken away and added', () => {
  const given: PlanOptions = { kernel, commandLine: 'root=/dev/vda1 a=1 a=2 quiet' }

  test('is told in its order, and what was not there is warned of', async () => {
    const made = await chosen({ root: makeMachine(), ...given, remove: ['a=1', 'quite'], append: ['b=3', 'c'] })
    expect(made).toMatchObject({
      line: 'root=/dev/vda1 a=2 quiet b=3 c',
      why: 'given with commandLine, without a=1, with b=3 appended, with c appended',
      warnings: ["no-such-parameter: remove: 'quite': the command line has no such parameter"],
    })
  })

  test('does not count for a line that is used verbatim', async () => {
    const made = await chosen({
      root: makeMachine(),
      kernel,
      exactCommandLine: 'root=/dev/vda1 a',
      remove: 'a',
      append: 'b',
    })
    expect(made.line).toBe('root=/dev/vda1 a')
  })

  test('for a fast load is told with the flag, and is gone with what it is removed by', async () => {
    const fast = await chosen({ root: makeMachine(), ...given, fast: true })
    expect(fast.why).toBe('given with commandLine, with cryptomgr.notests for fast: true')
    const without = await chosen({ root: makeMachine(), ...given, fast: true, remove: 'cryptomgr.notests' })
    expect(without.line).toBe('root=/dev/vda1 a=1 a=2 quiet')
    expect(without.warnings).toEqual([])
  })

  test('is too long: by how much, and where the limit stands', async () => {
    const root = makeMachine()
    const over = async (bytes: number) =>
      (await chosen({ root, kernel, commandLine: `root=/dev/vda1 ${'a'.repeat(2016 + bytes - 15)}` })).refusals
    expect(await over(0)).toEqual([])
    expect(await over(1)).toEqual([
      `cmdline-too-long ${kernel}: the command line has 2017 bytes, and this kernel takes at most 2016. Remove at least 1 byte with remove: 'KEY'.`,
    ])
    expect((await over(2))[0]).toContain("Remove at least 2 bytes with remove: 'KEY'.")
    using made = await plan({ root, kernel, noInitrd: true, commandLine: 'a'.repeat(2017) })
    expect(made.refusals[0]).toMatchObject({
      code: 'EINVAL',
      evidence: [{ source: `${kernel} cmdline_size`, value: '2016 usable' }],
    })
  })
})

describe("a crash kernel's", () => {
  const crash: Tree = {
    '/proc/cmdline': { text: 'root=/dev/vda1 crashkernel=256M quiet\n' },
    '/sys/kernel/kexec_crash_size': { text: `${512 * 1024 ** 2}\n` },
  }

  test('loses and gets what is told, and what is there in the end has its reason', async () => {
    const root = makeMachine({ ...debian, ...crash })
    const made = await chosen({ root, entry: older, panic: true, noInitrd: false })
    expect(made.why).toMatch(
      /^the running kernel's without BOOT_IMAGE and initrd: the entry has none of its own, without crashkernel=256M, with nr_cpus=1 .* for a crash kernel$/,
    )
    expect(made.parameters).toContain('nr_cpus=1')
    for (const parameter of made.parameters) expect(made.line.split(' ')).toContain(parameter)
    const removed = await chosen({ root, entry: older, panic: true, noInitrd: false, remove: 'nr_cpus' })
    expect(removed.parameters).not.toContain('nr_cpus=1')
    expect(removed.why).toMatch(/, without nr_cpus$/)
    // What it lost already is no mistake to remove.
    const twice = await chosen({ root, entry: older, panic: true, noInitrd: false, remove: 'crashkernel' })
    expect(twice.warnings.join()).not.toContain('no-such-parameter')
  })

  test('with several CPUs leaves out the one that booted the machine, where that is known', async () => {
    const cpu = (text: string): Tree => ({ '/proc/cpuinfo': { text } })
    const line = async (more: Tree) => {
      const root = makeMachine({ ...debian, ...crash, ...more })
      return (await chosen({ root, entry: older, panic: true, noInitrd: false, append: 'nr_cpus=4' })).line
    }
    const cpus = 'processor\t: 0\ninitial apicid\t: 14\n\nprocessor\t: 1\ninitial apicid\t: 3\n'
    expect(await line(cpu(cpus))).toContain('disable_cpu_apicid=14')
    expect(await line(cpu('processor\t: 0\n'))).not.toContain('disable_cpu_apicid')
    expect(await line({})).not.toContain('disable_cpu_apicid')
  })
})
