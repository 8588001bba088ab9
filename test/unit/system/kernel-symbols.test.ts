import { expect, test } from 'vitest'
import {
  FunctionNames,
  findAddresses,
  findAddressesMeanwhile,
  hasWideAddresses,
} from '../../../src/system/kernel-symbols.ts'
import { System } from '../../../src/system/system.ts'
import { makeTree } from '../entries/tree.ts'

const list = (...symbols: string[]) => symbols.map((symbol) => `${symbol}\n`).join('')

function file(text: string): string {
  return `${makeTree({ '/symbols': { text } })}/symbols`
}

test('a function is found under its own name and, as a system call, behind any prefix', () => {
  const names = FunctionNames.of(
    list('0 T _printk', '0 t local', '0 T __x64_sys_kexec_load', '0 W __x64_sys_kexec_file_load', '0 D data'),
  )
  expect(['local', 'sys_kexec_load', '_printk'].map((name) => names?.has(name))).toEqual([true, true, true])
  // Weak: not built. A variable is not a function, and a part of a name is not the name.
  expect(['sys_kexec_file_load', 'data', 'loca', 'printk'].map((name) => names?.has(name))).toEqual(
    Array(4).fill(false),
  )
})

test('a list without printk is not one of a kernel', () => {
  expect(FunctionNames.of(list('0 T other'))).toBeNull()
  expect(FunctionNames.of(undefined)).toBeNull()
})

test('addresses are found wherever a read ends, and names of modules do not count', async () => {
  const filler = Array.from(
    { length: 5000 },
    (_, index) => `ffffffff${(index + 2 ** 24).toString(16)} t filler_${index}`,
  )
  const text = list(
    ...filler,
    'ffffffff84a2b0c8 B kexec_image\t[module]',
    'ffffffff84a2b0c0 B kexec_image',
    ...filler,
    'ffffffff84a2b0d0 D kexec_crash_image',
  )
  const expected = new Map([
    ['kexec_image', 0xffffffff84a2b0c0n],
    ['kexec_crash_image', 0xffffffff84a2b0d0n],
  ])
  const names = [...expected.keys(), 'absent']
  for (const shift of [0, 1, 17, 31]) {
    const path = file('x'.repeat(shift) + text)
    expect(findAddresses(names, path)).toEqual(expected)
    expect(await findAddressesMeanwhile(names, path)).toEqual(expected)
  }
  expect(() => findAddresses(names, '/nonexistent')).toThrow('ENOENT')
  await expect(findAddressesMeanwhile(names, '/nonexistent')).rejects.toThrow('ENOENT')
})

test('the width of addresses is that of the first line', () => {
  const of = (text: string) => hasWideAddresses(new System(makeTree({ '/proc/kallsyms': { text } })))
  expect([of('0000000000000000 T _text\n'), of('00000000 T _text\n'), of('')]).toEqual([true, false, false])
})
