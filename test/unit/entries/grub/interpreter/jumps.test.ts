import { expect, test } from 'vitest'
import { linux, menuOf } from '../menu.ts'

const title = ({ title: text }: { title: string }) => text

test('a round that may be left hides nothing behind it, and keeps the likelier default', async () => {
  const { entries, problems } = await menuOf(`set default=a
for slot in a b c; do
  if keystatus --shift; then continue; fi
  menuentry "Slot $slot" --id $slot { ${linux} slot=$1; }
  set default=$slot
done
menuentry behind { ${linux} behind; }`)
  expect(entries.map(title)).toEqual(['Slot a', 'Slot b', 'Slot c', 'behind'])
  expect(entries.map(({ problems: told }) => told)).toEqual([
    ...Array(3).fill(['It is shown only if a condition does not hold that depends on a key held down.']),
    [],
  ])
  expect(entries.find(({ isDefault }) => isDefault)?.id).toBe('c')
  expect(problems).toEqual(['Which entry is the default depends on a key held down.'])
})

test('a loop that may be left goes on, and what is behind it is sure', async () => {
  const { entries } = await menuOf(`for slot in a b; do
  menuentry "Slot $slot" { ${linux} slot=$1; }
  if [ "$grub_platform" = efi ]; then break; fi
done
menuentry behind { ${linux} behind; }`)
  expect(entries.map(({ title: text, problems }) => [text, problems])).toEqual([
    ['Slot a', []],
    ['Slot b', ["It is shown only if $grub_platform is 'pc', which depends on the firmware."]],
    ['behind', []],
  ])
})

test('what both ways come to is sure; what one of them alone sets is not', async () => {
  const { entries } = await menuOf(`for once in 1; do
  if keystatus; then a=1; b=1; break; fi
  a=1; b=2
done
menuentry x { ${linux} a=$a; }
menuentry y { ${linux} b=$b; }`)
  expect(entries.map(({ commandLine, problems }) => [commandLine, problems])).toEqual([
    ['a=1', []],
    ['b=2', ['Its kernel or command line depends on a key held down.']],
  ])
})

test('loops within loops: a jump out of two of them waits for the outer one', async () => {
  const { entries } = await menuOf(`for a in 1 2; do
  for b in x y; do
    if keystatus; then continue 2; fi
    menuentry "$a$b" { ${linux} $1; }
  done
  menuentry "end of $a" { ${linux} $1; }
done
menuentry last { ${linux} last; }`)
  const condition = ['It is shown only if a condition does not hold that depends on a key held down.']
  expect(entries.map(({ title: text, problems }) => [text, problems])).toEqual([
    ['1x', condition],
    ['1y', condition],
    ['end of 1', condition],
    ['2x', condition],
    ['2y', condition],
    ['end of 2', condition],
    ['last', []],
  ])
})

test('a function that may return early, and its default', async () => {
  const { entries } = await menuOf(`function slots {
  menuentry first { ${linux} first; }
  if keystatus; then return; fi
  menuentry second --id second { ${linux} second; }
  set default=second
}
slots
menuentry third { ${linux} third; }`)
  expect(entries.map(({ title: text, problems, isDefault }) => [text, problems.length, isDefault])).toEqual([
    ['first', 0, false],
    ['second', 1, true],
    ['third', 0, false],
  ])
})

test('one branch leaves the round and the other the loop', async () => {
  const { entries } = await menuOf(`for slot in a b; do
  menuentry "Slot $slot" { ${linux} $1; }
  if keystatus; then break; else continue; fi
  menuentry never { ${linux} never; }
done`)
  expect(entries.map(title)).toEqual(['Slot a', 'Slot b'])
})

test('an entry that boots early, perhaps', async () => {
  const { entries } = await menuOf(
    `menuentry a { if keystatus; then ${linux} early; boot; fi; linux /boot/vmlinuz-6.12.0 late; }`,
  )
  expect(entries[0]).toMatchObject({
    kernel: '/boot/vmlinuz-6.12.0',
    problems: ['What it starts depends on a key held down: it may as well be /boot/vmlinuz-6.1.0, early.'],
  })
})

test('a loop over words that are not known', async () => {
  const { entries } = await menuOf(
    `if keystatus; then list="x"; else list="a b"; fi
for slot in $list; do menuentry "Slot $slot" { ${linux} $1; }; done`,
  )
  expect(entries.map(({ title: text, problems }) => [text, problems.length > 0])).toEqual([
    ['Slot a', true],
    ['Slot b', true],
  ])
})

test('hundreds of rounds that may be left, with hundreds of variables', async () => {
  const names = Array.from({ length: 300 }, (_, index) => `v${index}=1`).join('\n')
  const rounds = 'x '.repeat(300)
  const { entries } = await menuOf(
    `${names}\nfor i in ${rounds}; do if keystatus; then continue; fi; done\nmenuentry a { ${linux} a; }`,
  )
  expect(entries.map(title)).toEqual(['a'])
})
