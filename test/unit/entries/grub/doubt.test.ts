import { describe, expect, test } from 'vitest'
import { entryOf, linux, menuOf } from './menu.ts'

describe('what only the firmware tells', () => {
  test.each([
    'smbios --type 1 --get-string 5 --set model\nif [ "$model" = "Frobnicator" ]; then c=quirk; else c=usual; fi',
    'smbios --type 1 --get-string 5 --set model\nif [ "$model" != "Frobnicator" ]; then c=usual; else c=quirk; fi',
    'smbios -t 1 -s 5 --set model\nif [ "$model" == A -o "$model" == B ]; then c=quirk; else c=usual; fi',
    'smbios -t 1 -s 5 --set model\nif regexp "^Frob.*" "$model"; then c=quirk; else c=usual; fi',
    'smbios -t 1 -s 5 --set model\nif [ "$model" = A ]; then c=a; elif [ "$model" = B ]; then c=b; else c=usual; fi',
    'smbios -t 1 -s 5 --set model\nif [ -n "$model" ]; then c=usual; else c=none; fi',
    'smbios -t 1 -s 5 --set model\nif [ -z "$model" ]; then c=none; else c=usual; fi',
    'getenv -e Vendor --set vendor\nif test "$vendor" = "Some Vendor"; then c=quirk; else c=usual; fi',
    'if keystatus --shift; then c=held; else c=usual; fi',
    'smbios -t 1 -s 5 --set model\nc=usual\nwhile [ "$model" = A ]; do c=quirk; done',
    'smbios -t 1 -s 5 --set model\nc=usual\nuntil [ "$model" != A ]; do c=quirk; done',
  ])('the branch of one vendor, or of a key, is not the likelier: %s', async (script) => {
    const entry = await entryOf(`${linux} $c`, script)
    expect(entry.commandLine).toBe('usual')
    expect(entry.problems).toEqual([
      expect.stringMatching(/^Its kernel or command line depends on (?:the firmware|a key held down)\.$/),
    ])
  })
})

describe('commands', () => {
  test('one that is not known is told, once, with its line', async () => {
    const { entries, problems } = await menuOf(
      `file_env -f ($root)/cmdline.txt cmdline\nfile_env -f ($root)/more.txt more\nmenuentry a { ${linux} a=$cmdline; }`,
    )
    expect(entries[0]?.commandLine).toBe('a=')
    expect(problems).toEqual(["/boot/grub/grub.cfg:1: the command 'file_env' is unknown; its effect is missing here."])
  })

  test('in the body of an entry as well; assignments and functions are known', async () => {
    const { problems } = await menuOf(`function f { true; }\na=b c\nmenuentry a { f; gptprio.next -d usr; ${linux}; }`)
    expect(problems).toEqual([
      "/boot/grub/grub.cfg:3: the command 'gptprio.next' is unknown; its effect is missing here.",
    ])
  })

  test('one whose name is not known', async () => {
    const { problems } = await menuOf(
      `if keystatus; then loader=chainloader; else loader=linux; fi\nmenuentry a { $loader /boot/vmlinuz-6.1.0; }`,
    )
    expect(problems).toEqual([
      "/boot/grub/grub.cfg:2: which command is run depends on a key held down: 'linux', or 'chainloader'.",
    ])
    expect((await menuOf(`menuentry a { linux$sfx /boot/vmlinuz-6.1.0; }`, {})).problems).toEqual([])
  })

  test('regexp brings wildcards: GRUB loads its module', async () => {
    const script = 'for k in /boot/vmlinuz-*; do menuentry "$k" "$k" { linux "$2"; }; done'
    const titles = async (text: string) => (await menuOf(text)).entries.map(({ title }) => title)
    expect(await titles(script)).toEqual(['/boot/vmlinuz-*'])
    expect(await titles(`regexp a b\n${script}`)).toEqual(['/boot/vmlinuz-6.1.0', '/boot/vmlinuz-6.12.0'])
  })
})

test.each([
  ['tr --set=x abcab abc xyz', 'xyzxy'],
  ['tr -s x --upcase "a-b"', 'A-B'],
  ['tr --downcase --set x A-B', 'a-b'],
])('%s', async (command, value) => {
  expect((await entryOf(`${linux} $x`, command)).commandLine).toBe(value)
})

test('wildcards on what is out of reach are told', async () => {
  const { problems } = await menuOf(`insmod regexp
loopback loop /some.iso
for f in (loop)/*.cfg; do source $f; done
menuentry a { ${linux}; }`)
  expect(problems[0]).toMatch(/what .loop.\/\*.cfg stands for is missing here: .* lies inside of \/some.iso/)
})

describe('an entry without a title', () => {
  const entries = `menuentry first { ${linux} 1; }\nmenuentry "" { true; }\nmenuentry third { ${linux} 3; }`

  test.each([
    ['is no default when nothing is', '', 'first'],
    ['nor in a submenu', '', 'first'],
    ['is when default is set and empty', 'set default=\n', ''],
  ])('%s', async (_, before, title) => {
    expect((await menuOf(before + entries)).entries.find(({ isDefault }) => isDefault)?.title).toBe(title)
  })

  test('in a submenu that the default leads to', async () => {
    const { entries: list } = await menuOf(`set default=more\nsubmenu more {\n${entries}\n}`)
    expect(list.find(({ isDefault }) => isDefault)?.title).toBe('first')
  })
})
