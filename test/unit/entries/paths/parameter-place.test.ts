import { expect, test } from 'vitest'
import { howToSet, placeOfParameter } from '../../../../src/entries/paths/parameter-place.ts'
import { System } from '../../../../src/system/system.ts'
import { makeTree, type Tree } from '../tree.ts'

const text = (path: string, content: string): Tree => ({ [path]: { text: content } })
const WANTED = 'crashkernel=256M'

function told(tree: Tree, source: Parameters<typeof placeOfParameter>[2] = 'grub', old: string | null = null): string {
  const system = new System(makeTree({ '/usr/sbin/update-grub': 'empty', ...tree }))
  return howToSet(placeOfParameter(system, 'crashkernel', source), WANTED, old)
}

const grub = (content: string) => text('/etc/default/grub', content)
const part = (name: string, content: string) => text(`/etc/default/grub.d/${name}`, content)
const add = (place: string) => `Add ${WANTED} to ${place}, then run \`update-grub\``
const replace = (old: string, place: string) => `Replace ${old} with ${WANTED} in ${place}, then run \`update-grub\``

test('GRUB: the file that wins', () => {
  const inDefault = (path: string) => `GRUB_CMDLINE_LINUX_DEFAULT in ${path}`
  expect(told(grub('GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n'))).toBe(add(inDefault('/etc/default/grub')))
  expect(told(grub('GRUB_CMDLINE_LINUX_DEFAULT="quiet crashkernel=1G"\n'))).toBe(
    replace('crashkernel=1G', inDefault('/etc/default/grub')),
  )
  const appends = part(
    'kdump-tools.cfg',
    'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT crashkernel=2G-:1G"\n',
  )
  expect(told({ ...grub('GRUB_CMDLINE_LINUX_DEFAULT="crashkernel=1G"\n'), ...appends })).toBe(
    replace('crashkernel=2G-:1G', inDefault('/etc/default/grub.d/kdump-tools.cfg')),
  )
  // A part that writes over the value of the first file, as cloud images have one.
  const overwrites = part('50-cloud.cfg', "GRUB_CMDLINE_LINUX_DEFAULT='console=ttyS0'\n")
  expect(told({ ...grub('GRUB_CMDLINE_LINUX_DEFAULT="crashkernel=1G"\n'), ...overwrites })).toBe(
    add(inDefault('/etc/default/grub.d/50-cloud.cfg')),
  )
})

test('GRUB: comments, both variables, what stands before the old value, other programs', () => {
  expect(told(grub('#GRUB_CMDLINE_LINUX_DEFAULT="crashkernel=1G"\n'))).toContain('Add ')
  expect(told(grub('GRUB_CMDLINE_LINUX="crashkernel=1G"\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\n'))).toBe(
    replace('crashkernel=1G', 'GRUB_CMDLINE_LINUX in /etc/default/grub'),
  )
  const before = part('a.cfg', `GRUB_CMDLINE_LINUX_DEFAULT="crashkernel=2G \${GRUB_CMDLINE_LINUX_DEFAULT}"\n`)
  expect(told({ ...grub('GRUB_CMDLINE_LINUX_DEFAULT="crashkernel=1G"\n'), ...before })).toContain('crashkernel=1G with')
  expect(told({ ...grub('x=1\n'), ...part('a.cfg.bak', 'GRUB_CMDLINE_LINUX="crashkernel=3G"\n') })).toContain('Add ')
  // Fedora's and Arch's program reads no such directory.
  const plain = text('/usr/sbin/grub-mkconfig', '. /etc/default/grub\n')
  expect(told({ ...grub('x=1\n'), ...plain, ...part('a.cfg', 'GRUB_CMDLINE_LINUX="crashkernel=3G"\n') })).toContain(
    'Add ',
  )
})

test('other boot loaders', () => {
  expect(told({ '/usr/sbin/grubby': 'empty' }, 'bls')).toBe(`Run \`grubby --update-kernel=ALL --args=${WANTED}\``)
  expect(told(text('/etc/kernel/cmdline', 'root=/dev/sda1 crashkernel=1G\n'), 'bls')).toContain(
    `Replace crashkernel=1G with ${WANTED} in /etc/kernel/cmdline, then run`,
  )
  expect(told(text('/usr/lib/kernel/cmdline', 'ro\n'), 'uki')).toContain('a copy of /usr/lib/kernel/cmdline at')
  expect(told(text('/etc/default/u-boot', 'U_BOOT_PARAMETERS="ro crashkernel=1G"\n'), 'extlinux')).toContain(
    `Replace crashkernel=1G with ${WANTED} in U_BOOT_PARAMETERS`,
  )
  // What the running kernel was given is replaced, wherever it stands.
  expect(told({}, 'raspberry-pi', 'crashkernel=1G')).toBe(
    `Replace crashkernel=1G with ${WANTED} in cmdline.txt on the boot partition`,
  )
})
