import { expect, test } from 'vitest'
import { System } from '../../../../src/system/system.ts'
import { readSentences, type SentencedLoader } from '../sentences.ts'
import { files, identify, kernels, makeTree, type Tree } from '../tree.ts'

async function menuOf(tree: Tree) {
  const { entries, loaders, problems } = await readSentences({ system: new System(makeTree(tree)), identify })
  const loader = loaders.find(({ source }) => source === 'zipl') as SentencedLoader
  return { entries, loader, problems }
}

const boot: Tree = {
  ...kernels('/boot', 'vmlinuz-', '4.18.0', '5.14.0'),
  ...files('initrd', '/boot/initramfs-4.18.0.img', '/boot/initramfs-5.14.0.img'),
}

const sections = `[old]
	target=/boot
	image=/boot/vmlinuz-4.18.0,0x10000
	ramdisk = /boot/initramfs-4.18.0.img,0x1000000
	parameters="root=/dev/dasda1 rd.dasd=0.0.0200"
[new]
	image=/boot/vmlinuz-5.14.0
	ramdisk=/boot/initramfs-5.14.0.img
	parmfile=/boot/parmfile
	parameters='quiet'
[dump]
	dumpto=/dev/dasdb1
`

test('sections, with load addresses, quotes and a parmfile', async () => {
  const { entries, loader } = await menuOf({
    ...boot,
    '/boot/parmfile': { text: 'root=/dev/dasda1\nro\n' },
    '/etc/zipl.conf': { text: `# s390\n[defaultboot]\ndefaultauto\ntarget=/boot\ndefault=new\n${sections}` },
  })
  expect(entries.slice(0, 3)).toMatchObject([
    {
      id: 'old',
      source: 'zipl',
      kernel: '/boot/vmlinuz-4.18.0',
      initrds: ['/boot/initramfs-4.18.0.img'],
      commandLine: 'root=/dev/dasda1 rd.dasd=0.0.0200',
      problems: [],
    },
    {
      id: 'new',
      kernel: '/boot/vmlinuz-5.14.0',
      commandLine: 'root=/dev/dasda1 ro quiet',
      isDefault: true,
      problems: [],
    },
    { id: 'dump', kernel: null, problems: [expect.stringContaining('dumpto /dev/dasdb1')] },
  ])
  expect(loader.default).toBe('new')
})

test('a menu gives the order and the default', async () => {
  const menu = ':menu1\n\tdefault=2\n\tprompt=1\n\t2=old\n\t1=new\n\ttarget=/boot\n'
  const { loader, entries } = await menuOf({
    ...boot,
    '/etc/zipl.conf': { text: `[defaultboot]\ndefaultmenu=menu1\n${sections}${menu}` },
  })
  expect(entries.filter(({ source }) => source === 'zipl').map(({ id }) => id)).toEqual(['new', 'old'])
  expect(loader).toMatchObject({ default: 'old', reason: 'the default of menu menu1 in /etc/zipl.conf names it' })
})

test('without sections the files of the Boot Loader Specification are its entries', async () => {
  const { entries, loader } = await menuOf({
    ...boot,
    '/etc/zipl.conf': { text: '[defaultboot]\ndefaultauto\nprompt=1\ntimeout=5\ntarget=/boot\n' },
    '/boot/loader/entries/a-5.14.0.conf': {
      text: 'title A\nversion 5.14.0\nlinux /boot/vmlinuz-5.14.0\ninitrd /boot/initramfs-5.14.0.img\noptions root=/dev/dasda1\n',
    },
  })
  expect(entries[0]).toMatchObject({ title: 'A', source: 'bls', kernel: '/boot/vmlinuz-5.14.0' })
  expect(loader.default).toBe(entries[0]?.id)
})

test('hostile input', async () => {
  const { loader, problems } = await menuOf({
    '/etc/zipl.conf': {
      text: `x=1\n${'stray '.repeat(1_000_000)}\n[a]\nimage=/../../etc/x${' '.repeat(1_000_000)}\n:\n=\n[]\n`,
    },
  })
  expect(loader.default).toBe('a')
  expect(problems).toContain("/etc/zipl.conf:1: 'x=1' stands outside of a section.")
})
