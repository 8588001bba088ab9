import { linkSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { type PlanOptions, plan } from '../../../../src/index.ts'
import { kernels, type Tree } from '../../entries/tree.ts'
import { debian, makeMachine, newer, older } from '../debian.ts'

/** The kernel that is chosen, the reason, and the warnings about it. */
async function chosen(options: PlanOptions) {
  using made = await plan(options)
  const [{ choice, reason } = { choice: '', reason: '' }] = made.decisions.filter(({ subject }) => subject === 'kernel')
  return { choice, reason, entry: made.entry, warnings: made.warnings.map(({ code, text }) => `${code}: ${text}`) }
}

/** GRUB's menu of four entries: the default is neither the first nor the newest, and one starts no Linux. */
const menu = `set default=two
menuentry one --id one { linux /vmlinuz-${newer} root=/dev/vda1\ninitrd /initrd.img-${newer} }
menuentry two --id two { linux /vmlinuz-${older} root=/dev/vda1\ninitrd /initrd.img-${older} }
menuentry 'Debian GNU/Linux' --id plain { linux /vmlinuz-${older} root=/dev/vda1 single\ninitrd /initrd.img-${older} }
menuentry Windows --id windows { chainloader +1 }
`
const withMenu = (text = menu, more: Tree = {}) => makeMachine({ ...debian, '/boot/grub/grub.cfg': { text }, ...more })
const isDefault = "the boot loader's default (default in /boot/grub/grub.cfg names it)"

describe('the reason for an entry', () => {
  test('that nobody named: the boot loader and its configuration, else its age', async () => {
    expect((await chosen({ root: withMenu() })).reason).toBe(
      `entry two: ${isDefault}, because no entry was named; one of 4 entries found`,
    )
    const { [`/boot/vmlinuz-${older}`]: _kernel, [`/boot/initrd.img-${older}`]: _initrd, ...alone } = debian
    expect((await chosen({ root: makeMachine(alone) })).reason).toBe(
      `entry vmlinuz-${newer}: the newest, because no entry was named; the only entry found`,
    )
  })

  test("that was named: the name, and the boot loader's reason only where the default was meant", async () => {
    const root = withMenu()
    const named = async (options: PlanOptions) => (await chosen({ root, ...options })).reason
    expect(await named({ entry: 'default' })).toBe(
      `entry two: chosen by 'default', ${isDefault}, one of 4 entries found`,
    )
    expect(await named({ target: 'default' })).toBe(await named({ entry: 'default' }))
    expect(await named({ entry: 'two' })).toBe("entry two: chosen by 'two', one of 4 entries found")
    expect(await named({ target: 'one' })).toBe("entry one: chosen by 'one', one of 4 entries found")
  })
})

test('a default that cannot be known is not guessed, and every entry can still be named', async () => {
  // loader.conf of Pop!_OS names an entry that is gone, and the first of the menu is for repairs.
  const root = makeMachine({
    '/efi/loader/loader.conf': { text: 'default Pop_OS-gone\n' },
    '/efi/loader/entries/Pop_OS-current.conf': { text: 'linux /vmlinuz-linux\noptions root=/dev/vda2\n' },
    '/efi/loader/entries/Recovery-A1B2.conf': { text: 'title Recovery\nlinux /vmlinuz-linux\noptions boot=casper\n' },
    '/efi/vmlinuz-linux': { kernel: '6.9.1-arch1-1' },
  })
  for (const options of [{}, { entry: 'default' }, { target: 'default' }])
    await expect(plan({ root, ...options }), JSON.stringify(options)).rejects.toMatchObject({
      reason: 'ambiguous-entry',
      refused: true,
      hint: 'Correct it, or load one of: Pop_OS-current.conf.',
    })
  for (const entry of ['newest', 'Recovery-A1B2.conf'])
    expect((await chosen({ root, entry })).choice).toBe('/efi/vmlinuz-linux')
})

describe('newer kernels that are passed over', () => {
  const without = Object.fromEntries(
    Object.entries(debian).filter(([path]) => path !== `/usr/lib/modules/${newer}`),
  ) as Tree

  test('are named where the newest was meant, with the reason', async () => {
    const root = makeMachine(without)
    const warning = `newer-passed-over: newer kernels are passed over: vmlinuz-${newer} (an entry with problems)`
    for (const options of [{}, { entry: 'newest' }, { target: 'newest' }])
      expect(await chosen({ root, ...options }), JSON.stringify(options)).toMatchObject({
        choice: `/boot/vmlinuz-${older}`,
        warnings: [warning],
      })
    expect((await chosen({ root, entry: older })).warnings).toEqual([])
    // The boot loader has decided.
    const grub = { '/boot/grub/grub.cfg': { text: menu } }
    expect((await chosen({ root: makeMachine({ ...without, ...grub }) })).warnings).toEqual([])
  })

  test('are named up to three, and counted beyond', async () => {
    const releases = ['6.13.1', '6.13.2', '6.13.3', '6.13.4', '6.13.5']
    const warned = async (count: number) => {
      const more = kernels('/boot', 'vmlinuz-', ...releases.slice(0, count))
      return (await chosen({ root: makeMachine({ ...debian, ...more }) })).warnings
    }
    const because = (release: string) => `vmlinuz-${release} (an entry with problems)`
    const begin = 'newer-passed-over: newer kernels are passed over: '
    expect(await warned(0)).toEqual([])
    expect(await warned(3)).toEqual([begin + ['6.13.3', '6.13.2', '6.13.1'].map(because).join(', ')])
    expect(await warned(5)).toEqual([`${begin}${['6.13.5', '6.13.4', '6.13.3'].map(because).join(', ')} and 2 more`])
  })

  test('of another system say so', async () => {
    const foreign = `set default=x\n${menu.slice(menu.indexOf('\n'))}
menuentry other --id other { linux /vmlinuz-6.13.1 root=/dev/vdb7\ninitrd /initrd.img-${newer} }\n`
    const root = withMenu(foreign, { '/boot/vmlinuz-6.13.1': { kernel: '6.13.1' } })
    const { choice, warnings } = await chosen({ root, entry: 'newest' })
    expect(choice).toBe(`/boot/vmlinuz-${newer}`)
    expect(warnings).toEqual([expect.stringMatching(/passed over: other \(another root file system.*\)$/)])
  })
})

test("the menu's own problems count where its default is meant", async () => {
  const broken = withMenu(menu.replace('default=two', 'default=nowhere'))
  const problem = expect.stringMatching(/^unknown-default: .*'nowhere', which names no entry/)
  expect((await chosen({ root: broken })).warnings).toEqual([problem])
  expect((await chosen({ root: broken, entry: 'default' })).warnings).toEqual([problem])
  expect((await chosen({ root: broken, entry: 'one' })).warnings).toEqual([])
  expect((await chosen({ root: broken, entry: 'two' })).warnings).toEqual([])
})

test('the device tree of an entry is not passed on, which is told unless another one is given', async () => {
  const conf = `title A\nlinux /vmlinuz-${newer}\ninitrd /initrd.img-${newer}\ndevicetree /board.dtb\noptions root=/dev/vda1\n`
  const root = makeMachine({ ...debian, '/boot/loader/entries/a.conf': { text: conf }, '/boot/board.dtb': 'empty' })
  expect((await chosen({ root, entry: 'a.conf' })).warnings).toEqual([
    'device-tree-not-passed: the entry names the device tree /boot/board.dtb: the new kernel gets the running one, which the boot loader has filled in',
  ])
  expect((await chosen({ root, entry: 'a.conf', deviceTree: '/boot/board.dtb' })).warnings).toEqual([])
  expect((await chosen({ root, entry: older })).warnings).toEqual([])
})

describe('an entry that starts no Linux', () => {
  test('is refused with its own problem, its file and the kernels that can be loaded instead', async () => {
    await expect(plan({ root: withMenu(), entry: 'windows' })).rejects.toMatchObject({
      reason: 'not-a-kernel',
      summary: "the entry 'Windows' does not start a Linux kernel",
      path: '/boot/grub/grub.cfg',
      hint: 'It starts another boot loader, +1, which kexec cannot start. Load one of: one, two.',
      refused: true,
    })
  })

  test('where there is no other, a file must be named', async () => {
    const root = makeMachine({ '/boot/grub/grub.cfg': { text: 'menuentry Windows --id windows { chainloader +1 }\n' } })
    await expect(plan({ root, entry: 'windows' })).rejects.toMatchObject({
      hint: expect.stringMatching(/Load one of: a kernel file\.$/),
    })
  })
})

describe('a target', () => {
  const target = (root: string, name: string, more: PlanOptions = {}) => chosen({ root, target: name, ...more })

  test('with a slash is a file, unless an entry is called so', async () => {
    const root = withMenu()
    expect((await target(root, 'Debian GNU/Linux')).entry).toBe('plain')
    const file = await target(root, `boot/vmlinuz-${newer}`)
    expect(file).toMatchObject({ entry: null, choice: `/boot/vmlinuz-${newer}`, reason: 'the file that was named' })
  })

  test('without one is an entry, and a file only where no entry has that name', async () => {
    const root = withMenu(menu, { '/one': { kernel: older }, '/spare': { kernel: older } })
    expect((await target(root, 'one')).entry).toBe('one')
    expect(await target(root, 'spare', { commandLine: 'root=/dev/vda1' })).toMatchObject({
      entry: null,
      choice: '/spare',
    })
    expect(await target(root, './one', { commandLine: 'root=/dev/vda1' })).toMatchObject({
      entry: null,
      choice: '/one',
    })
    await expect(plan({ root, target: 'nothing' })).rejects.toMatchObject({ reason: 'no-such-entry' })
    await expect(plan({ root, target: './nothing' })).rejects.toMatchObject({ reason: 'not-found' })
    await expect(plan({ root, entry: 'spare' })).rejects.toMatchObject({ reason: 'no-such-entry' })
  })

  test.each(['./bzImage', '../bzImage', '/bzImage'])(
    '%s says where it is, and all that belongs to it can be said',
    async (name) => {
      // Nothing is taken from the menu, not even a broken one.
      const root = withMenu('menuentry {', { '/bzImage': { kernel: older } })
      const options: PlanOptions = { noInitrd: true, commandLine: 'root=/dev/vda1' }
      expect(await target(root, name, options)).toMatchObject({ entry: null, choice: '/bzImage' })
    },
  )

  test('is one of three ways to say what is meant', async () => {
    const root = makeMachine()
    for (const options of [
      { entry: 'newest', kernel: '/boot/x' },
      { entry: 'newest', target: 'newest' },
      { kernel: '/boot/x', target: 'newest' },
    ])
      await expect(plan({ root, ...options }), JSON.stringify(options)).rejects.toMatchObject({
        reason: 'invalid-argument',
        summary: 'entry, kernel and target exclude each other',
        hint: 'Give one of them.',
        refused: true,
      })
  })
})

test('a kernel without a path has a name by what it is', async () => {
  const root = makeMachine()
  const named = async (kernel: PlanOptions['kernel']) =>
    (await chosen({ root, kernel: kernel as Buffer, commandLine: 'ro', noInitrd: true })).choice
  expect(await named(Buffer.from('bytes'))).toBe('(bytes)')
  expect(await named(Readable.from([Buffer.from('bytes')]))).toBe('(stream)')
  const handle = await open(join(root, `/boot/vmlinuz-${newer}`))
  expect(await named(handle)).toBe('(open file)')
  await handle.close()
})

describe('the entry that a named file belongs to', () => {
  const refusals = async (options: PlanOptions) => {
    using made = await plan({ reuseCommandLine: true, ...options })
    return made.refusals.map(({ reason, summary }) => `${reason}: ${summary}`)
  }

  test('is the one with an initrd, of several', async () => {
    const bare = `menuentry bare --id bare { linux /vmlinuz-${older} root=/dev/vda1 }\n`
    expect(await refusals({ root: withMenu(bare + menu), kernel: `/boot/vmlinuz-${older}` })).toEqual([
      "no-initrd: this is the kernel of the entry 'two', and no initrd was named with it",
    ])
  })

  test('is that of the same file, and not of another one beside it', async () => {
    const root = makeMachine({ ...debian, '/srv/other': { kernel: newer }, '/srv/readme': { text: '' } })
    linkSync(join(root, `/boot/vmlinuz-${older}`), join(root, '/srv/linked'))
    expect(await refusals({ root, kernel: '/srv/other' })).toEqual([])
    expect(await refusals({ root, kernel: '/srv/linked' })).toEqual([
      `no-initrd: this is the kernel of the entry 'vmlinuz-${older}', and no initrd was named with it`,
    ])
  })
})
