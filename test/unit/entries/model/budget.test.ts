import { linkSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { System } from '../../../../src/system/system.ts'
import { readSentences } from '../sentences.ts'
import { identify, kernels, makeTree, type Tree } from '../tree.ts'

const boot = kernels('/boot', 'vmlinuz-', '6.1.0')
const bigVariable = `set a=0123456789abcdef\n${'set a=$a$a\n'.repeat(10)}`
const tooMuch = /^There is more to read here than any machine needs \(/

function text(path: string, content: string): Tree {
  return { ...boot, [path]: { text: content } }
}

/** Files that would take minutes or gigabytes, each by its own way, and at least how many entries are read of them. */
const hostile: readonly (readonly [name: string, tree: () => Tree, entries: number])[] = [
  [
    'GRUB: loops in loops of long words',
    () =>
      text(
        '/boot/grub/grub.cfg',
        `menuentry first { linux /boot/vmlinuz-6.1.0 }\n${bigVariable}for i in ${'1 '.repeat(1000)}; do for j in ${'1 '.repeat(1000)}; do echo ${'$a '.repeat(1000)}; done; done\n`,
      ),
    1,
  ],
  ['GRUB: braces that close nothing', () => text('/boot/grub/grub.cfg', '}\n'.repeat(5_000_000)), 1],
  [
    'GRUB: a body that is larger than memory',
    () => text('/boot/grub/grub.cfg', `menuentry x {\n${'a\n'.repeat(290_000)}}\n`.repeat(27)),
    1,
  ],
  [
    'GRUB: a long chain of elif',
    () => text('/boot/grub/grub.cfg', `if false; then true\n${'elif false; then true\n'.repeat(100_000)}fi\n`),
    1,
  ],
  [
    'GRUB: modules without end',
    () => text('/boot/grub/grub.cfg', `menuentry x {\nmultiboot /x\n${'module /a\n'.repeat(150_000)}}\n`),
    1,
  ],
  [
    'GRUB: functions, of which every entry gets its own',
    () =>
      text(
        '/boot/grub/grub.cfg',
        Array.from({ length: 20_000 }, (_, n) => `function f${n} {\ntrue\n}\nmenuentry e${n} {\nlinux /v\n}\n`).join(
          '',
        ),
      ),
    100,
  ],
  [
    'extlinux: a file that includes itself on every line',
    () =>
      text(
        '/boot/extlinux/extlinux.conf',
        `LABEL a\nLINUX /boot/vmlinuz-6.1.0\n${'INCLUDE /boot/extlinux/extlinux.conf\n'.repeat(60_000)}`,
      ),
    1,
  ],
  [
    'extlinux: a long command line for every label',
    () =>
      text(
        '/boot/extlinux/extlinux.conf',
        `APPEND ${'x'.repeat(500_000)}\n${Array.from({ length: 5000 }, (_, n) => `LABEL l${n}\nLINUX /v\n`).join('')}`,
      ),
    10,
  ],
  [
    'two menus with the same kernel in every entry',
    () => {
      const line = Array.from({ length: 60 }, (_, n) => `p${n}=${n}`).join(' ')
      const each = (make: (n: number) => string) => Array.from({ length: 4000 }, (_, n) => make(n)).join('')
      return {
        ...boot,
        '/boot/grub/grub.cfg': {
          text: each((n) => `menuentry e${n} {\nlinux /boot/vmlinuz-6.1.0 a=${n} ${line}\n}\n`),
        },
        '/boot/extlinux/extlinux.conf': {
          text: each((n) => `LABEL l${n}\nLINUX /boot/vmlinuz-6.1.0\nAPPEND b=${n} ${line}\n`),
        },
      }
    },
    8000,
  ],
  ['GRUB legacy: titles', () => text('/boot/grub/menu.lst', 'title a\nkernel /v\n'.repeat(200_000)), 10_000],
  [
    'GRUB legacy: a number without end',
    () => text('/boot/grub/menu.lst', `title a\nkernel (${'1'.repeat(1_000_000)}\n`),
    1,
  ],
  [
    'Raspberry Pi: filters by the thousand',
    () => ({
      ...text(
        '/boot/firmware/config.txt',
        Array.from({ length: 100_000 }, (_, n) => `[gpio${n}x${'1'.repeat(20)}]\na=b\n`).join(''),
      ),
      '/boot/firmware/cmdline.txt': { text: 'root=/dev/sda2' },
    }),
    1,
  ],
  [
    'Raspberry Pi: a filter of digits',
    () => ({
      ...text('/boot/firmware/config.txt', `[${'1'.repeat(1_000_000)}x]\na=b\n`),
      '/boot/firmware/cmdline.txt': { text: 'root=/dev/sda2' },
    }),
    1,
  ],
  [
    'zipl: a parameter file of blanks',
    () => ({
      ...text('/etc/zipl.conf', '[a]\nimage=/boot/vmlinuz-6.1.0\nparmfile=/etc/parm\n'),
      '/etc/parm': { text: ' '.repeat(1_000_000) },
    }),
    1,
  ],
  [
    'Boot Loader Specification: a variable in itself',
    () => ({
      ...text('/boot/grub2/grubenv', `# GRUB Environment Block\nkernelopts=${'x'.repeat(500_000)}\n`),
      '/boot/loader/entries/good.conf': { text: 'title good\nlinux /boot/vmlinuz-6.1.0\noptions root=/dev/sda1\n' },
      '/boot/loader/entries/evil.conf': { text: `title evil\nlinux /v\noptions ${'$kernelopts '.repeat(600)}\n` },
    }),
    1,
  ],
  [
    'Limine: a macro in every title',
    () =>
      text(
        '/boot/limine.conf',
        `\${A}=${'x'.repeat(2000)}\n${`/\${A}y\nprotocol: linux\npath: boot():/v\n`.repeat(50_000)}`,
      ),
    1,
  ],
  [
    'rEFInd: stanzas of long options',
    () =>
      text(
        '/boot/EFI/refind/refind.conf',
        `menuentry a {\nloader /v\noptions "${'x'.repeat(400_000)}"\n${'submenuentry b {\nadd_options c\n}\n'.repeat(20_000)}}\n`,
      ),
    1,
  ],
  [
    'fstab: mounts',
    () => text('/etc/fstab', Array.from({ length: 200_000 }, (_, n) => `/dev/a${n} /m${n} ext4\n`).join('')),
    1,
  ],
]

test.each(hostile)('%s', { timeout: 60_000 }, async (_name, tree, entries) => {
  const root = makeTree(tree())
  const before = process.cpuUsage()
  const menu = await readSentences({ system: new System(root), identify })
  const { user, system } = process.cpuUsage(before)
  expect(menu.entries.length).toBeGreaterThanOrEqual(entries)
  expect((user + system) / 1e6).toBeLessThan(10)
  expect(JSON.stringify(menu).length).toBeLessThan(64 * 1024 * 1024)
  expect(menu.problems.length).toBeLessThan(1100)
})

test('what is left out is told, in one sentence', async () => {
  const root = makeTree({
    ...text('/boot/loader/entries/0.conf', `title zero\nlinux /boot/vmlinuz-6.1.0\n${'options a\n'.repeat(300_000)}`),
  })
  for (let number = 1; number < 50; number++)
    linkSync(join(root, 'boot/loader/entries/0.conf'), join(root, `boot/loader/entries/${number}.conf`))
  const { entries, problems } = await readSentences({ system: new System(root), identify })
  expect(entries.length).toBeGreaterThan(2)
  expect(entries.length).toBeLessThan(50)
  expect(problems.filter((problem) => tooMuch.test(problem))).toHaveLength(1)
})

test('an ordinary menu leaves nothing out', async () => {
  const { problems } = await readSentences({
    system: new System(makeTree(text('/boot/grub/grub.cfg', 'menuentry a { linux /boot/vmlinuz-6.1.0 }\n'))),
    identify,
  })
  expect(problems).toEqual([])
})

test('links that lead through thousands of directories are given up', async () => {
  const root = makeTree({})
  mkdirSync(join(root, 'a'))
  const system = new System(root)
  expect(() => system.resolve('/a/..'.repeat(3000))).toThrow('ENAMETOOLONG')
})

test('a discovery ends when its signal fires', async () => {
  const system = new System(makeTree({}))
  await expect(readSentences({ system, signal: AbortSignal.abort() })).rejects.toMatchObject({ reason: 'aborted' })
  const root = makeTree(
    text(
      '/boot/grub/grub.cfg',
      Array.from({ length: 9000 }, (_, n) => `menuentry e${n} {\n${'true\n'.repeat(20)}linux /v\n}\n`).join(''),
    ),
  )
  const controller = new AbortController()
  setTimeout(() => controller.abort(), 100)
  const reading = readSentences({ system: new System(root), identify, signal: controller.signal })
  await expect(reading).rejects.toMatchObject({ reason: 'aborted' })
})
