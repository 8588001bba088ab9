import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { System } from '../../../../src/system/system.ts'
import { untested } from '../../../untested.ts'
import { fixtureRoot } from '../fixtures.ts'
import { readSentences, type SentencedEntry } from '../sentences.ts'
import { files, identify, makeTree, type Tree } from '../tree.ts'
import { type Bootctl, type BootctlEntry, bootctlList, findBootctl } from './bootctl.ts'
import { type1 } from './tree.ts'

/** bootctl, of the same project as systemd-boot, reads the same trees: what it lists is what we list, in its order. */
const bootctl = await findBootctl()
if (typeof bootctl === 'string') untested(`comparison with bootctl: ${bootctl}`)
const judged = test.skipIf(typeof bootctl === 'string')

/** Both views of an entry, brought to one shape. */
interface Compared {
  readonly id: string
  readonly title: string
  readonly config: string
  readonly kernel: string | null
  readonly initrds: readonly string[]
  readonly commandLine: string | null
}

function ours(entry: SentencedEntry): Compared {
  const { id, title, config, kernel, initrds, commandLine } = entry
  return { id, title, config, kernel, initrds, commandLine }
}

/** @param tops where the ESP and the other partition are in our tree. */
function theirs(entry: BootctlEntry, tops: Readonly<Record<string, string>>): Compared {
  const [, partition = 'esp', config = ''] = /^(esp|xbootldr)(.*)$/.exec(entry.path) ?? []
  const inTree = (path: string) => join('/', tops[partition] ?? '', path)
  return {
    id: entry.id,
    title: entry.showTitle,
    config: inTree(config),
    kernel: entry.linux === undefined ? null : inTree(entry.linux),
    initrds: (entry.initrd ?? []).map(inTree),
    commandLine: entry.linux === undefined ? null : (entry.options ?? ''),
  }
}

async function compare(root: string, esp: string, xbootldr: string | null): Promise<void> {
  const system = new System(root)
  const { entries } = await readSentences({ system, identify })
  const own = entries.map(ours)
  const listed = bootctlList(bootctl as Bootctl, join(root, esp), xbootldr === null ? null : join(root, xbootldr))
  expect(own.length).toBeGreaterThan(0)
  expect(own).toEqual(listed.map((entry) => theirs(entry, { esp, xbootldr: xbootldr ?? '' })))
}

const fixtures = [
  ['kernel-install-machine-id', '/efi', null],
  ['kernel-install-tries', '/boot', null],
  ['esp-and-xbootldr', '/efi', '/boot'],
  ['ostree-two-deployments', '/boot', null],
] as const

judged.each(fixtures)('%s', async (name, esp, xbootldr) => {
  await compare(fixtureRoot(name), esp, xbootldr)
})

judged('a unified kernel image; bootctl 252 knows no addons', async () => {
  const root = fixtureRoot('unified-images')
  const { entries } = await readSentences({ system: new System(root), identify })
  const [listed] = bootctlList(bootctl as Bootctl, join(root, 'efi'), null)
  expect(entries).toMatchObject([{ id: listed?.id, title: listed?.showTitle }])
  expect(entries[0]?.commandLine).toBe(`${listed?.options} panic=30 console=ttyS0`)
  expect(existsSync(join(root, 'efi', listed?.linux ?? ''))).toBe(true)
})

const kernel = 'linux /linux'
const linux: Tree = { '/efi/linux': { kernel: '6.1.0' } }
const trees: readonly (readonly [string, Tree])[] = [
  [
    'versions in the order of the specification',
    type1('/efi', {
      a: `sort-key x\nversion 1.0~rc1\n${kernel}`,
      b: `sort-key x\nversion 1.0\n${kernel}`,
      c: `sort-key x\nversion 1.0^1\n${kernel}`,
      d: `sort-key x\nversion 1.0-2\n${kernel}`,
      e: `sort-key x\nversion 1.0.1\n${kernel}`,
      f: `sort-key x\nversion 1.10\n${kernel}`,
      g: `sort-key x\nversion 1.9\n${kernel}`,
      h: `sort-key x\n${kernel}`,
    }),
  ],
  [
    'sort keys, machine ids, and entries without either',
    type1('/efi', {
      'plain-6.1': kernel,
      'plain-6.12': kernel,
      'plain-6.9+2-1': kernel,
      keyed: `sort-key b\nmachine-id 2\nversion 1\n${kernel}`,
      keyed2: `sort-key b\nmachine-id 1\nversion 1\n${kernel}`,
      keyed3: `sort-key a\nversion 1\n${kernel}`,
      'bad+0': `sort-key a\nversion 9\n${kernel}`,
      'bad2+0-3': kernel,
    }),
  ],
  [
    'titles that are the same',
    type1('/efi', {
      a: `title Same\nversion 1\n${kernel}`,
      b: `title Same\nversion 2\n${kernel}`,
      c: `title Same\nversion 2\n${kernel}`,
      d: `title Other\nversion 2\n${kernel}`,
      e: kernel,
    }),
  ],
  [
    'comments, blanks, repeated keys, CRLF, no newline at the end',
    type1('/efi', {
      a: `# title No\n  title\t  Tabs and  spaces  \r\n\r\nlinux /other\n${kernel}\n\toptions a=1\noptions\n options b="x y"  c \ninitrd /i1\ninitrd /i2\nunknown key\noptions last`,
    }),
  ],
  [
    // Not with counts beyond INT_MAX: bootctl refuses such files, systemd-boot takes the whole name for the id.
    'names that only look like counted ones',
    type1('/efi', {
      'a+': kernel,
      'b+3-': kernel,
      'c+x': kernel,
      'd+3+2': kernel,
      'e+1-2-3': kernel,
    }),
  ],
]

judged.each(trees)('%s', async (_name, tree) => {
  await compare(makeTree({ ...tree, ...linux, ...files('initrd', '/efi/i1', '/efi/i2') }), '/efi', null)
})
