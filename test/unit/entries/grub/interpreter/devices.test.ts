import { describe, expect, test } from 'vitest'
import { files, kernels, type Tree } from '../../tree.ts'
import { block, entryOf, linux, menuOf } from '../menu.ts'

const slots = `load_env --file=(hd0,2)/grubenv
for slot in one two; do
  if [ "$slot" = one -a "$one_ok" -eq 1 ]; then default=0; break; fi
  if [ "$slot" = two -a "$two_ok" -eq 1 ]; then default=1; break; fi
done
menuentry "Slot one (ok=$one_ok)" { linux (hd0,4)/boot/vmlinuz-6.1.0 slot=one; }
menuentry "Slot two (ok=$two_ok)" { linux (hd0,5)/boot/vmlinuz-6.1.0 slot=two; }
`
const defaults = 'default=0\none_ok=1\ntwo_ok=0\n'

describe('partitions of which only one is mounted', () => {
  const mounted: Tree = {
    '/etc/fstab': { text: '/dev/sda4 / ext4 defaults 0 1\n/dev/sda2 /state ext4 defaults 0 2\n' },
    '/state/grubenv': block('one_ok=0\ntwo_ok=1\n'),
  }

  test('known by their numbers: the other slot is not mounted, and its kernel not taken for ours', async () => {
    const { entries, problems } = await menuOf(defaults + slots, mounted)
    expect(entries.map(({ title, kernel, isDefault }) => [title, kernel, isDefault])).toEqual([
      ['Slot one (ok=0)', '/boot/vmlinuz-6.1.0', false],
      ['Slot two (ok=1)', '(hd0,5)/boot/vmlinuz-6.1.0', true],
    ])
    expect(entries[1]?.problems).toEqual([
      '/boot/vmlinuz-6.1.0 is on (hd0,5), which is not one of the file systems mounted here.',
    ])
    expect(problems).toEqual([])
  })

  test('not known by numbers: none of several is taken for the one that is mounted', async () => {
    const { entries, problems } = await menuOf(defaults + slots, {
      '/etc/fstab': { text: 'UUID=aa / ext4 defaults 0 1\nUUID=bb /state ext4 defaults 0 2\n' },
      '/state/grubenv': block('two_ok=1\n'),
    })
    expect(entries.map(({ kernel }) => kernel)).toEqual(['(hd0,4)/boot/vmlinuz-6.1.0', '(hd0,5)/boot/vmlinuz-6.1.0'])
    expect(problems).toEqual([
      '/boot/grub/grub.cfg: the environment block (hd0,2)/grubenv is out of reach: it depends on what is on hd0,2, ' +
        'which is not mounted. The values saved in it are missing here.',
      'Which entry is the default depends on the environment block (hd0,2)/grubenv, which is out of reach.',
    ])
    expect(entries.map(({ problems: told }) => told.at(-1))).toEqual(
      Array(2).fill('Its title depends on the environment block (hd0,2)/grubenv, which is out of reach.'),
    )
  })

  test('not known by number, and the only one: it is that of the configuration', async () => {
    const entry = await entryOf(`set root=(hd0,1)\n${linux}`, '', { '/etc/fstab': { text: 'UUID=aa / ext4 x 0 1\n' } })
    expect(entry).toMatchObject({ kernel: '/boot/vmlinuz-6.1.0', problems: [] })
  })

  test('of the same number on two disks, the boot disk has the one beside the configuration', async () => {
    const two: Tree = {
      '/etc/fstab': { text: '/dev/sda1 / ext4 x 0 1\n/dev/sdb1 /other ext4 x 0 2\n' },
      ...kernels('/other/boot', 'vmlinuz-', '6.1.0'),
    }
    expect((await entryOf('linux (hd0,gpt1)/boot/vmlinuz-6.1.0', '', two)).kernel).toBe('/boot/vmlinuz-6.1.0')
    expect((await entryOf('linux (hd1,gpt1)/boot/vmlinuz-6.1.0', '', two)).kernel).toBe('(hd1,gpt1)/boot/vmlinuz-6.1.0')
  })

  test('slots that are searched for by the names of their partitions', async () => {
    const script = ['a', 'b']
      .map(
        (slot) =>
          `menuentry ${slot} { search --no-floppy --set root --part-label kernel-${slot}; linux /boot/vmlinuz-6.1.0; }`,
      )
      .join('\n')
    const kernelsOf = async (tree: Tree) => (await menuOf(script, tree)).entries.map(({ kernel }) => kernel)
    const [a, b] = ['a', 'b'].map((slot) => `(PARTLABEL=kernel-${slot})/boot/vmlinuz-6.1.0`)
    expect(await kernelsOf({})).toEqual([a, b])
    expect(await kernelsOf({ '/etc/fstab': { text: 'PARTLABEL=kernel-a / ext4 x 0 1\n' } })).toEqual([
      '/boot/vmlinuz-6.1.0',
      b,
    ])
  })

  test('whether a file is on it is not known; on one that no disk has, it is not', async () => {
    const disks: Tree = {
      ...mounted,
      '/dev/disk/by-uuid/aa': { link: '../../sda4' },
      '/dev/disk/by-uuid/bb': { link: '../../sda5' },
    }
    const found = (device: string) =>
      entryOf(`${linux} $found`, `if [ -e (${device})/file ]; then found=yes; else found=no; fi`, disks)
    expect(await found('hd0,gpt5')).toMatchObject({
      problems: ['Its kernel or command line depends on what is on hd0,gpt5, which is not mounted.'],
    })
    expect(await found('hd0,gpt9')).toMatchObject({ commandLine: 'no', problems: [] })
    expect(await found('hd0,gpt4')).toMatchObject({ commandLine: 'no', problems: [] })
  })

  test.each([
    ['source (hd0,gpt5)/more.cfg', /what it reads from .hd0,gpt5.\/more.cfg is missing here: it depends on what is on/],
    ['configfile (hd0,gpt5)/grub.cfg', /the menu in .hd0,gpt5.\/grub.cfg is missing here/],
    ['blscfg (hd0,gpt5)/loader/entries', /the entries in .hd0,gpt5.\/loader\/entries are missing here/],
    ['load_env -f (hd0,gpt5)/env', /the environment block .hd0,gpt5.\/env is out of reach/],
    ['load_env -f /no/such/env', /the environment block \/no\/such\/env does not exist/],
    ['load_env -f /boot/initrd.img-6.1.0', /initrd.img-6.1.0 is not an environment block/],
  ])('%s: told', async (command, told) => {
    expect((await menuOf(`${command}\nmenuentry a { ${linux} }`, mounted)).problems.join('\n')).toMatch(told)
  })

  test('a device made of $root: the disk of the configuration, and the partition of that number', async () => {
    const entry = await entryOf('linux ($disk,gpt2)/bzImage disk=$disk', 'regexp --set=1:disk "(.+),.+" "$root"', {
      ...mounted,
      '/state/bzImage': { kernel: '6.7.0' },
    })
    expect(entry).toMatchObject({ kernel: '/state/bzImage', commandLine: 'disk=hd0', problems: [] })
  })
})

describe('names of devices', () => {
  test('what a search finds has a name of the form that GRUB gives', async () => {
    const entry = await entryOf(
      `${linux} from=$inside`,
      `insmod regexp\nsearch --label --set=stick STICK\nregexp --set=inside "[^/]*(/.*)" "($stick)/images/live.iso"`,
    )
    expect(entry).toMatchObject({ commandLine: 'from=/images/live.iso', problems: [] })
  })

  test('a made-up name that gets into a command line is told', async () => {
    const entry = await entryOf(`${linux} from=($stick)/live.iso`, 'search --label --set=stick STICK')
    expect(entry).toMatchObject({
      commandLine: 'from=(hd10,gpt1)/live.iso',
      problems: [
        "Its command line has GRUB's name of a device, which depends on the firmware: hd10,gpt1 stands for it.",
      ],
    })
  })

  test.each(['--label X --set', '-l X -s', '--set=root --label X', '-n -l -s root X', '--label --set root X'])(
    'search %s sets root',
    async (words) => {
      expect(
        (await entryOf(`${linux}\nif [ "$root" = "$before" ]; then initrd /x; fi`, `before=$root\nsearch ${words}`))
          .initrds,
      ).toEqual([])
    },
  )
})

describe('what is not a path', () => {
  test.each([
    ['initrd /boot/initrd.img-6.1.0 console=tty1 quiet', "initrd: 'console=tty1'"],
    ['initrd newc:init:boot/x', "initrd: 'boot/x'"],
    ['initrd (hd0,gpt1)initrd', "initrd: '(hd0,gpt1)initrd'"],
    ['devicetree board.dtb', "device tree: 'board.dtb'"],
  ])('%s', async (command, what) => {
    const entry = await entryOf(`${linux} ro\n${command}`)
    expect(entry).toMatchObject({
      kernel: '/boot/vmlinuz-6.1.0',
      initrds: [],
      deviceTree: null,
      problems: [`GRUB loads no ${what} on that line is not a path, as it begins with neither / nor (device)/.`],
    })
  })

  test('a kernel', async () => {
    expect(await entryOf('linux vmlinuz-6.1.0 ro')).toMatchObject({
      kernel: null,
      problems: [
        "GRUB loads no kernel: 'vmlinuz-6.1.0' on that line is not a path, as it begins with neither / nor (device)/.",
      ],
    })
  })

  test.each([
    ['multiboot2 multiboot2 /xen.gz', "kernel: 'multiboot2'"],
    ['multiboot /boot/vmlinuz-6.1.0\nmodule boot/initrd', "module: 'boot/initrd'"],
  ])('%s', async (commands, what) => {
    const { kernel, initrds, problems } = await entryOf(commands)
    expect([kernel, ...initrds].filter((path) => path !== null && !path.startsWith('/'))).toEqual([])
    expect(problems).toContain(
      `GRUB loads no ${what} on that line is not a path, as it begins with neither / nor (device)/.`,
    )
  })

  test('several files, with names in the archive, are', async () => {
    const entry = await entryOf(`${linux}\ninitrd /boot/initrd.img-6.1.0 newc:etc/x:/boot/initrd.img-6.12.0`)
    expect(entry.initrds).toEqual(['/boot/initrd.img-6.1.0', '/boot/initrd.img-6.12.0'])
  })
})

test.each([
  ['/boot/flatcar/grub/grub.cfg', 'PARTLABEL=EFI-SYSTEM /boot vfat x 0 0\n'],
  ['/boot/coreos/grub/grub.cfg', 'PARTLABEL=EFI-SYSTEM /boot vfat x 0 0\n'],
  ['/flatcar/grub/grub.cfg', ''],
])('Flatcar and CoreOS: %s', async (path, fstab) => {
  const top = path.replace(/\/(?:flatcar|coreos)\/.*/, '')
  const { entries } = await menuOf('', {
    '/etc/fstab': { text: fstab },
    [path]: {
      text: 'set default=b\nmenuentry A { linux /flatcar/vmlinuz-a }\nmenuentry B --id b { linux /flatcar/vmlinuz-b }',
    },
    [`${top}/flatcar/vmlinuz-a`]: { kernel: '6.6.1' },
    [`${top}/flatcar/vmlinuz-b`]: { kernel: '6.6.2' },
    ...files('directory', '/sys/firmware/efi'),
  })
  expect(entries.map(({ kernel, isDefault }) => [kernel, isDefault])).toEqual([
    [`${top}/flatcar/vmlinuz-a`, false],
    [`${top}/flatcar/vmlinuz-b`, true],
  ])
})
