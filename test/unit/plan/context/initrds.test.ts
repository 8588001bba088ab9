import { readFileSync, writeFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { type PlanOptions, plan } from '../../../../src/index.ts'
import { peImage } from '../../entries/bls/image.ts'
import { emptyArchive, kernelOf, type Tree } from '../../entries/tree.ts'
import { file, path, tool } from '../../image/tools.ts'
import { debian, makeMachine, newer } from '../debian.ts'

const kernel = `/boot/vmlinuz-${newer}`
const initrd = `/boot/initrd.img-${newer}`

/** What is said of the initrd and of what is laid over it. */
async function decided(options: PlanOptions) {
  using made = await plan({ commandLine: 'root=/dev/vda1', ...options })
  const about = (wanted: string) =>
    made.decisions.filter(({ subject }) => subject === wanted).map(({ choice, reason }) => `${choice}: ${reason}`)
  return {
    initrd: about('initrd'),
    overlay: about('overlay'),
    refusals: made.refusals.map(({ reason, path: at, summary, hint }) => `${reason} ${at}: ${summary}. ${hint}`),
    warnings: made.warnings.map(({ code, text }) => `${code}: ${text}`),
    text: made.explain(),
  }
}

describe('whose initrd it is', () => {
  const conf = (...initrds: string[]): Tree => ({
    '/boot/loader/entries/a.conf': {
      text: `title A\nlinux /vmlinuz-${newer}\n${initrds.map((name) => `initrd ${name}\n`).join('')}options root=/dev/vda1\n`,
    },
    '/boot/microcode.img': 'initrd',
    '/tmp/own': 'initrd',
  })

  test("the entry's, one or several", async () => {
    const one = makeMachine({ ...debian, ...conf(`/initrd.img-${newer}`) })
    expect((await decided({ root: one, entry: 'a.conf' })).initrd).toEqual([`${initrd}: it belongs to the entry`])
    const two = makeMachine({ ...debian, ...conf('/microcode.img', `/initrd.img-${newer}`) })
    expect((await decided({ root: two, entry: 'a.conf' })).initrd).toEqual([
      `/boot/microcode.img, ${initrd}: they belong to the entry`,
    ])
    const none = makeMachine({ ...debian, ...conf() })
    expect((await decided({ root: none, entry: 'a.conf' })).initrd).toEqual(['none: none was found or named'])
  })

  test("a given one, in place of the entry's where that has one", async () => {
    const root = makeMachine({ ...debian, ...conf(`/initrd.img-${newer}`) })
    expect((await decided({ root, entry: 'a.conf', initrds: ['/tmp/own', emptyArchive] })).initrd).toEqual([
      "/tmp/own, (bytes): given with initrds, in place of the entry's own",
    ])
    expect((await decided({ root, kernel, initrds: ['/tmp/own'] })).initrd).toEqual(['/tmp/own: given with initrds'])
    expect((await decided({ root, kernel, noInitrd: true })).initrd).toEqual(['none: asked for with noInitrd: true'])
    await expect(plan({ root, kernel, noInitrd: true, initrds: ['/tmp/own'] })).rejects.toMatchObject({
      reason: 'invalid-argument',
      summary: 'initrds and noInitrd: true exclude each other',
      hint: 'Give one of the two.',
      refused: true,
    })
  })

  test("the image's own, alone and before the entry's", async () => {
    const uki = peImage({
      sections: [
        ['.osrel', 'ID=debian\n'],
        ['.uname', newer],
        ['.cmdline', 'root=/dev/vda1'],
        ['.linux', kernelOf(newer)],
        ['.initrd', emptyArchive],
      ],
    })
    const entry = `title A\nlinux /own.efi\ninitrd /initrd.img-${newer}\noptions root=/dev/vda1\n`
    const root = makeMachine({
      ...debian,
      '/boot/own.efi': { file: uki },
      '/boot/loader/entries/a.conf': { text: entry },
      '/tmp/own': 'initrd',
    })
    const own = '/boot/own.efi:.initrd, /.extra/os-release'
    expect((await decided({ root, kernel: '/boot/own.efi' })).initrd).toEqual([`${own}: they belong to the image`])
    expect((await decided({ root, entry: 'a.conf' })).initrd).toEqual([
      `${own}, ${initrd}: the image's own, then the entry's`,
    ])
    expect((await decided({ root, entry: 'a.conf', initrds: ['/tmp/own'] })).initrd).toEqual([
      "/tmp/own: given with initrds, in place of the image's and the entry's own",
    ])
  })
})

describe('an installed kernel without the initrd that belongs to it', () => {
  test('is refused with each way to say what is meant', async () => {
    expect((await decided({ root: makeMachine(), kernel })).refusals).toEqual([
      `no-initrd ${kernel}: this is the kernel of the entry 'vmlinuz-${newer}', and no initrd was named with it. Load the entry with its initrd: linux-kexec load 'vmlinuz-${newer}'. Or add initrds: ['${initrd}'], or noInitrd: true to load it without one.`,
    ])
  })

  test('is loaded where the whole command line was said, as kexec(8) does', async () => {
    const made = await decided({ root: makeMachine(), kernel, commandLine: undefined as never, exactCommandLine: 'ro' })
    expect(made.refusals).toEqual([])
    expect(made.warnings).toContain(`initrd-not-loaded: no initrd was named, but ${initrd} belongs to this kernel`)
  })
})

describe('an overlay', () => {
  const names = ['a', 'b', 'c', 'd', 'e'].map((name) => `/etc/own/${name}`)
  const root = () => makeMachine({ ...debian, ...Object.fromEntries(names.map((name) => [name, { text: 'four' }])) })
  const laid = async (count: number) =>
    (await decided({ root: root(), entry: newer, overlay: names.slice(0, count) })).overlay

  test('is named up to three files, counted beyond, and measured', async () => {
    const reason = 'given with overlay, laid over the initrd in memory'
    expect(await laid(1)).toEqual([`/etc/own/a, 4 bytes: ${reason}`])
    expect(await laid(3)).toEqual([`/etc/own/a, /etc/own/b, /etc/own/c, 12 bytes: ${reason}`])
    expect(await laid(5)).toEqual([`/etc/own/a, /etc/own/b, /etc/own/c and 2 more, 20 bytes: ${reason}`])
    expect((await decided({ root: root(), entry: newer })).overlay).toEqual([])
  })

  test('may come from elsewhere, as a text or as bytes', async () => {
    const overlay = ['/etc/own/a:/etc/there', { source: Buffer.from('bytes'), destination: '/etc/bytes' }]
    expect((await decided({ root: root(), entry: newer, overlay })).overlay).toEqual([
      expect.stringMatching(/^\/etc\/there, \/etc\/bytes, 9 bytes: /),
    ])
  })

  test('that is not there is refused, and lays nothing', async () => {
    const made = await decided({ root: root(), entry: newer, overlay: ['/absent'] })
    expect(made.overlay).toEqual([])
    expect(made.refusals).toEqual([expect.stringMatching(/^not-found \/absent: /)])
  })

  test('over what is no archive will not be seen', async () => {
    const disk = makeMachine({ ...debian, '/tmp/disk': { text: 'hsqs and so on' }, '/etc/own/a': { text: 'a' } })
    const made = await decided({ root: disk, entry: newer, initrds: ['/tmp/disk'], overlay: ['/etc/own/a'] })
    expect(made.warnings).toContain(
      'overlay-not-unpacked: /tmp/disk is a squashfs file system, not an archive that is unpacked: the overlay will not be seen',
    )
    const without = await decided({ root: disk, entry: newer, initrds: ['/tmp/disk'] })
    expect(without.warnings.join()).not.toContain('overlay')
  })
})

describe("an initrd with U-Boot's header", () => {
  function wrapped(): Buffer {
    file('initrd', emptyArchive)
    const what = ['-A', 'x86_64', '-O', 'linux', '-T', 'ramdisk', '-C', 'none', '-n', 'uInitrd', '-d', 'initrd']
    tool('mkimage', [...what, 'uInitrd'])
    return readFileSync(path('uInitrd'))
  }

  test('is what is in it, as long as it is whole', async () => {
    const root = makeMachine({ ...debian, '/boot/uInitrd': { file: wrapped() } })
    const made = await decided({ root, entry: newer, initrds: ['/boot/uInitrd'] })
    expect([made.refusals, made.warnings]).toEqual([[], []])
    expect(made.text).toContain(`${emptyArchive.length} bytes, `)
  })

  test('that is damaged is refused with what to make it with, and loaded where that is asked for', async () => {
    const bytes = wrapped()
    bytes[70] = (bytes[70] as number) ^ 4
    const root = makeMachine({ ...debian, '/boot/uInitrd': { file: bytes } })
    const options: PlanOptions = { root, entry: newer, initrds: ['/boot/uInitrd'] }
    const summary = /this is .*uImage.*, damaged: .*/i
    const { refusals } = await decided(options)
    expect(refusals[0]).toMatch(summary)
    expect(refusals[0]).toMatch(
      /^damaged-image \/boot\/uInitrd: .*\. Copy or make it again \(mkimage -T ramdisk, flash-kernel\)\.$/,
    )
    const asked = await decided({ ...options, tryAnyway: true })
    expect(asked.warnings[0]).toMatch(/^damaged-image: \/boot\/uInitrd: this is .*, damaged: .*: it is loaded anyway$/)
    expect(asked.refusals.join()).not.toContain('damaged-image')
  })
})

test('a stream that fails is named by what it was to be', async () => {
  const failing = new Readable({
    read() {
      this.destroy(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
    },
  })
  const { refusals } = await decided({ root: makeMachine(), entry: newer, initrds: [failing] })
  expect(refusals).toEqual([expect.stringContaining(': the stream of the initrd failed. ')])
})

test('the facts of each initrd are shown together', async () => {
  const root = makeMachine({ ...debian, '/tmp/one': 'initrd', '/tmp/two': 'gzip' })
  const { text } = await decided({ root, entry: newer, initrds: ['/tmp/one', '/tmp/two'] })
  expect(text).toMatch(
    /^initrd +\/tmp\/one, \/tmp\/two\n +124 bytes, .*; \d+ bytes, gzip.*\n +given with initrds, in place of the entry's own$/m,
  )
})

describe("the running kernel's", () => {
  const proc = (release: string, commandLine: string): Tree => ({
    ...debian,
    '/proc/sys/kernel/osrelease': { text: `${release}\n` },
    '/proc/cmdline': { text: `${commandLine}\n` },
  })
  const running = (tree: Tree) => decided({ root: makeMachine(tree), kernel, initrds: ['running'] })

  test('is read once, into memory', async () => {
    const root = makeMachine({ ...debian, '/sys/firmware/initrd': 'initrd' })
    const bytes = readFileSync(`${root}/sys/firmware/initrd`)
    using made = await plan({ root, kernel, initrds: ['running'], commandLine: 'root=/dev/vda1' })
    expect(made.refusals).toEqual([])
    expect(made.toJSON().initrds).toEqual(['/sys/firmware/initrd'])
    writeFileSync(`${root}/sys/firmware/initrd`, 'changed')
    await made.prepare()
    const { initrd: prepared } = made.preparedBytes()
    expect(prepared?.read(0, prepared.size).equals(bytes)).toBe(true)
  })

  test.each([
    ['6.1.0', 'retain_initrd', 'since Linux 6.8, and Linux 6.1 is running. Name its file instead'],
    [
      '6.12.0',
      'root=/dev/vda1',
      'booted without the parameter retain_initrd. Boot with retain_initrd on the command line',
    ],
    ['6.12.0', 'root=/dev/vda1 -- retain_initrd', 'booted without the parameter retain_initrd'],
    ['6.12.0', 'quiet retain-initrd', 'started without one. Name its file instead'],
  ])('is not there: Linux %s with %j', async (release, commandLine, words) => {
    const { refusals } = await running(proc(release, commandLine))
    expect(refusals).toEqual([expect.stringContaining(words)])
    expect(refusals[0]).toMatch(/^not-found \/sys\/firmware\/initrd: the running kernel does not show its initrd/)
  })

  test('is not a file of that name, nor the other way round', async () => {
    const root = makeMachine({ ...debian, '/running': 'initrd' })
    expect((await decided({ root, kernel, initrds: ['running'] })).refusals).toHaveLength(1)
    const { initrd: chosen, refusals } = await decided({ root, kernel, initrds: ['./running'] })
    expect([chosen, refusals]).toEqual([['./running: given with initrds'], []])
  })
})
