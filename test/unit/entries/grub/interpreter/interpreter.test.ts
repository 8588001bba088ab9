import { describe, expect, test } from 'vitest'
import { files, type Tree } from '../../tree.ts'
import { block, entryOf, linux, menuOf } from '../menu.ts'

describe('what depends on the machine', () => {
  test('without effect on what is started, nothing is said', async () => {
    const entry = await entryOf(`if [ x$grub_platform = xxen ]; then insmod xzio; fi
      if loadfont unicode; then set gfxmode=auto; terminal_output gfxterm; fi
      if [ "$grub_platform" = efi ]; then linuxefi /boot/vmlinuz-6.1.0 ro; else linux16 /boot/vmlinuz-6.1.0 ro; fi`)
    expect(entry).toMatchObject({ kernel: '/boot/vmlinuz-6.1.0', commandLine: 'ro', problems: [] })
  })

  test('with another kernel, both are told', async () => {
    const entry = await entryOf(
      `if [ "$grub_platform" = efi ]; then linux /boot/vmlinuz-6.12.0 efi; else ${linux} bios; fi`,
    )
    expect(entry.problems).toEqual([
      'What it starts depends on the firmware: it may as well be /boot/vmlinuz-6.1.0, bios.',
    ])
    expect(entry).toMatchObject({ kernel: '/boot/vmlinuz-6.12.0', commandLine: 'efi' })
  })

  test('a variable that differs makes the command line a doubtful one', async () => {
    const entry = await entryOf(`${linux} $console`, 'if keystatus --shift; then console=tty0; else console=ttyS0; fi')
    // Nobody holds a key down most times.
    expect(entry).toMatchObject({
      commandLine: 'ttyS0',
      problems: ['Its kernel or command line depends on a key held down.'],
    })
  })

  test('within a branch the condition counts as true: the other half of a menu is not mixed in', async () => {
    const entry = await entryOf(
      `${linux} $a`,
      `if [ $grub_platform = pc ]; then a=x; fi
       if [ $grub_platform = pc ]; then b=$a; else b=y; fi
       if [ $grub_platform = pc ]; then if [ $grub_platform = efi ]; then a=never; fi; fi`,
    )
    expect(entry.commandLine).toBe('x')
    expect(entry.problems.join()).not.toContain('never')
  })

  test('an entry of one branch says when it is shown', async () => {
    const { entries } = await menuOf(`menuentry a { ${linux} }
if [ $grub_platform = efi ]; then menuentry b { fwsetup }; else menuentry c { ${linux} bios }; fi`)
    expect(entries.map(({ title, problems }) => [title, problems])).toEqual([
      ['a', []],
      [
        'b',
        [
          "It opens the firmware's setup.",
          "It is shown only if $grub_platform is 'efi', which depends on the firmware.",
        ],
      ],
      ['c', ["It is shown only if $grub_platform is 'pc', which depends on the firmware."]],
    ])
  })

  test('a machine with EFI knows', async () => {
    const { entries } = await menuOf(
      `if [ $grub_platform = efi ]; then menuentry b { ${linux} }; else menuentry c { ${linux} bios }; fi`,
      files('directory', '/sys/firmware/efi'),
    )
    expect(entries.map(({ title, problems }) => [title, problems])).toEqual([['b', []]])
  })

  test('a menu of another file that may be opened or not', async () => {
    const { entries, problems } = await menuOf(
      `if keystatus; then configfile /boot/grub/other.cfg; fi\nmenuentry here { ${linux} }`,
      { '/boot/grub/other.cfg': { text: `menuentry there { ${linux} }` } },
    )
    expect(entries.map(({ title }) => title)).toEqual(['there'])
    expect(problems).toEqual([
      '/boot/grub/grub.cfg: which menu is shown depends on a key held down; that of the other file is listed.',
    ])
  })

  test('what failed or not may depend on the machine', async () => {
    const { entries } = await menuOf(`fwsetup --is-supported\nif [ "$?" = 0 ]; then menuentry setup { fwsetup }; fi`)
    expect(entries[0]?.problems).toContain("It is shown only if $? is '0', which depends on the firmware.")
  })

  test('an unknown default is told', async () => {
    const { entries, problems } = await menuOf(`if keystatus; then default=b; else default=a; fi
menuentry a { ${linux} a }
menuentry b { ${linux} b }`)
    expect(entries.filter(({ isDefault }) => isDefault).map(({ title }) => title)).toEqual(['a'])
    expect(problems).toEqual(['Which entry is the default depends on a key held down.'])
  })
})

describe('the default', () => {
  const menu = `
menuentry first --id one { ${linux} 1 }
submenu more --id two {
  menuentry inner --id inner { ${linux} 2 }
  submenu deepest { menuentry deep --id deep { ${linux} 3 } }
}
menuentry 'a > b' --id 'x>y' { ${linux} 4 }
`
  test.each([
    ['', 'first'],
    ['0', 'first'],
    ['2', 'a > b'],
    ['99', 'first'],
    ['one', 'first'],
    ['more', 'inner'],
    ['1', 'inner'],
    ['1>1', 'deep'],
    ['1>1>0', 'deep'],
    ['two>inner', 'inner'],
    ['more>deepest>deep', 'deep'],
    ['x>>y', 'a > b'],
    ['gone', 'first'],
    ['two>gone', 'inner'],
  ])('%j is %s', async (preset, title) => {
    const { entries } = await menuOf(`set default="${preset}"\n${menu}`)
    expect(entries.find(({ isDefault }) => isDefault)?.title).toBe(title)
  })

  test('where it came from: saved_entry, next_entry, the configuration', async () => {
    const script = `load_env
if [ "\${next_entry}" ]; then set default="\${next_entry}"; set next_entry=; save_env next_entry
else set default="\${saved_entry}"; fi
${menu}`
    const reason = async (text: string) =>
      (await menuOf(script, { '/boot/grub/grubenv': block(text) })).loaders.find(({ inCharge }) => inCharge)
    expect(await reason('saved_entry=two>inner\n')).toMatchObject({
      default: 'inner',
      reason: 'saved_entry in /boot/grub/grubenv names it',
    })
    expect(await reason('saved_entry=one\nnext_entry=two>deepest>deep\n')).toMatchObject({
      default: 'deep',
      reason: 'next_entry in /boot/grub/grubenv names it',
    })
    expect(await reason('saved_entry=\n')).toMatchObject({
      default: 'one',
      reason: 'it is the first entry and nothing names another',
    })
  })

  test('what names nothing is told', async () => {
    expect((await menuOf(`set default=gone\n${menu}`)).problems).toEqual([
      "default in /boot/grub/grub.cfg is 'gone', which names no entry: GRUB takes the first.",
    ])
  })
})

describe('blscfg', () => {
  const bls = (release: string, options = 'root=/dev/sda1 $kernelopts') => ({
    text: `title Fedora (${release})\nversion ${release}\nlinux /vmlinuz-${release}\ninitrd /initrd.img-${release} $tuned_initrd\noptions ${options}\n`,
  })
  const entries = (more: Tree = {}): Tree => ({
    '/boot/loader/entries/6a98-6.1.0-9.fc41.conf': bls('6.1.0'),
    '/boot/loader/entries/6a98-6.12.0-200.fc41.conf': bls('6.12.0'),
    '/boot/loader/entries/6a98-0-rescue.conf': bls('6.1.0', '$unknown'),
    '/etc/fstab': { text: 'UUID=aa / ext4 defaults 0 0\nUUID=bb /boot ext4 defaults 0 0\n' },
    ...more,
  })

  test('newest first, with the variables of the script, and the names of GRUB', async () => {
    const { entries: list } = await menuOf('set kernelopts="ro quiet"\nblscfg\n', entries())
    expect(
      list.map(({ id, kernel, initrds, commandLine, isDefault }) => [id, kernel, initrds, commandLine, isDefault]),
    ).toEqual([
      ['6a98-6.12.0-200.fc41', '/boot/vmlinuz-6.12.0', ['/boot/initrd.img-6.12.0'], 'root=/dev/sda1 ro quiet', true],
      ['6a98-6.1.0-9.fc41', '/boot/vmlinuz-6.1.0', ['/boot/initrd.img-6.1.0'], 'root=/dev/sda1 ro quiet', false],
      ['6a98-0-rescue', '/boot/vmlinuz-6.1.0', ['/boot/initrd.img-6.1.0'], '', false],
    ])
    expect(list[0]).toMatchObject({
      source: 'bls',
      sources: ['bls', 'boot-dir'],
      config: '/boot/loader/entries/6a98-6.12.0-200.fc41.conf',
    })
  })

  test('saved_entry names a file; entries of the script stand beside it', async () => {
    const { entries: list } = await menuOf(
      `load_env\nset default="$saved_entry"\nblscfg\nmenuentry other { ${linux} }\n`,
      entries({
        '/boot/grub/grubenv': {
          text: '# GRUB Environment Block\nsaved_entry=6a98-6.1.0-9.fc41\nkernelopts=x\n'.padEnd(1024, '#'),
        },
      }),
    )
    expect(list.map(({ id }) => id)).toEqual(['6a98-6.12.0-200.fc41', '6a98-6.1.0-9.fc41', '6a98-0-rescue', 'other'])
    expect(list.find(({ isDefault }) => isDefault)).toMatchObject({
      id: '6a98-6.1.0-9.fc41',
      commandLine: 'root=/dev/sda1 x',
    })
  })
})

describe('where files are', () => {
  test('EFI/debian/grub.cfg that opens the real one: one menu', async () => {
    const menu = await menuOf(`menuentry a { ${linux} }`, {
      '/boot/efi/EFI/debian/grub.cfg': {
        text: "search.fs_uuid 0b7e9a3c root hd0,gpt2\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n",
      },
    })
    expect(menu.entries.map(({ id, config }) => [id, config])).toEqual([['a', '/boot/grub/grub.cfg']])
    expect(menu.loaders.filter(({ source }) => source === 'grub')).toHaveLength(1)
  })

  test("another system's kernel on a partition of its own is not taken for ours of the same name", async () => {
    const { entries } = await menuOf(
      `menuentry other { search --fs-uuid --set=root cc-other\n linux /boot/vmlinuz-6.1.0\n initrd /boot/initrd.img-6.1.0 }`,
      { '/etc/fstab': { text: 'UUID=aa-ours / ext4 defaults 0 0\n' } },
    )
    expect(entries[0]).toMatchObject({
      kernel: '(UUID=cc-other)/boot/vmlinuz-6.1.0',
      problems: [
        '/boot/vmlinuz-6.1.0 is on UUID=cc-other, which is not mounted.',
        '/boot/initrd.img-6.1.0 is on UUID=cc-other, which is not mounted.',
      ],
    })
  })

  test('what comes from the network or from within an image file', async () => {
    expect((await entryOf('linux (http,example.org)/vmlinuz')).problems[0]).toMatch(/fetched from the network/)
    expect((await entryOf('loopback loop /x.iso\nlinux (loop)/vmlinuz')).problems[0]).toMatch(
      /lies inside of .x.iso, an image file/,
    )
  })
})

describe('bounded', () => {
  const text = (lines: string) => menuOf(`menuentry a { ${linux} }\n${lines}`)

  test.each([
    ['a file that reads itself', 'source /boot/grub/grub.cfg', /reads itself/],
    ['a function that calls itself', 'function f { f; }\nf', /calls itself/],
    ['a loop', 'while true; do x=1; done', /a loop does not end/],
    ['loops in loops', 'while true; do while true; do true; done; done', /does not come to an end/],
    ['a submenu that reads its own file', 'submenu b { source /boot/grub/grub.cfg }', /so many files are read/],
    ['a menu that opens itself', 'menuentry b { configfile /boot/grub/grub.cfg }', /so many files are read/],
    ['blocks in blocks', 'submenu x {\n'.repeat(2000), /nested deeper/],
    ['a command of a million words', `echo ${'x '.repeat(1_000_000)}`, /words/],
    ['a word of a million parts', `echo ${'"a"$b'.repeat(500_000)}`, /parts/],
    [
      'too many entries',
      `for i in ${'x '.repeat(30_000)}; do menuentry $i { true; }; done`,
      /entries; the rest is left out/,
    ],
  ])('%s: told, and the entry before it is there', async (_, script, problem) => {
    const { entries, problems } = await text(script)
    expect(entries[0]?.title).toBe('a')
    expect(problems.join('\n')).toMatch(problem)
  })

  test('a thousand submenus in each other', async () => {
    const { entries } = await menuOf(
      `${'submenu s {\n'.repeat(1000)}menuentry deep { ${linux} }\n${'}\n'.repeat(1000)}set default=s${'>0'.repeat(1000)}`,
    )
    expect(entries).toMatchObject([{ title: 'deep', isDefault: true }])
    expect(entries[0]?.submenus).toHaveLength(1000)
  })

  test('ten megabytes in a line', async () => {
    const { entries } = await menuOf(`${`menuentry a { ${linux} }; `.repeat(10_000)}# ${'x'.repeat(10_000_000)}`)
    expect(entries).toHaveLength(10_000)
  })

  test('variables that double', async () => {
    const { entries } = await text('a=xxxxxxxx\nwhile [ "$b" != xxxxxxxxxxxxxxxxxxxx ]; do a=$a$a; b=x$b; done')
    expect(entries[0]?.problems).toEqual([])
  })
})
