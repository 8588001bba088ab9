import fc from 'fast-check'
import { expect, test } from 'vitest'
import { extlinuxFile, loaderConfFile } from '../../../../src/trial/loader/setting-lines.ts'

const set = (file: typeof extlinuxFile, text: string, name: string, value: string | null) => {
  const result = file.withValue(Buffer.from(text, 'latin1'), name, value)
  if (typeof result === 'string') throw new Error(result)
  return result.toString('latin1')
}

test('of several lines the last counts; text of a help, comments and other keywords are none', () => {
  const text = 'DEFAULT a\n#DEFAULT b\nlabel x\n text help\ndefault c\n endtext\n\tDefault d e \r\nDEFAULTS f'
  expect(extlinuxFile.valueIn(Buffer.from(text), 'DEFAULT')).toBe('d e')
  expect(set(extlinuxFile, text, 'DEFAULT', 'new')).toBe(text.replace('d e', 'new'))
  expect(loaderConfFile.valueIn(Buffer.from('Default a\n default\tb'), 'default')).toBe('b')
  expect(loaderConfFile.valueIn(Buffer.from('Default a\n'), 'default')).toBe(null)
})

test('a value that a line cannot have is refused, and so is a line without a value', () => {
  for (const value of ['', ' a', 'a ', 'a\nb', 'a\rb', 'a\0'])
    expect(extlinuxFile.withValue(Buffer.from('DEFAULT a\n'), 'DEFAULT', value)).toMatch(/^a line DEFAULT cannot name/)
  expect(extlinuxFile.withValue(Buffer.from('DEFAULT  \nlabel a\n'), 'DEFAULT', 'a')).toBe(
    'its line DEFAULT has no value',
  )
})

test('bytes that are not UTF-8 stay', () => {
  const before = 'DEFAULT caf\xe9\nLABEL caf\xe9\n'
  const value = extlinuxFile.valueIn(Buffer.from(before, 'latin1'), 'DEFAULT') as string
  const changed = set(extlinuxFile, before, 'DEFAULT', 'tea')
  expect(changed).toBe('DEFAULT tea\nLABEL caf\xe9\n')
  expect(set(extlinuxFile, changed, 'DEFAULT', value)).toBe(before)
})

test('whatever the file: a change is found again, touches one line, and taking it back is exact', () => {
  const words = [
    '',
    ' ',
    '\t',
    '\r',
    '\n',
    'default',
    'DEFAULT',
    'ontimeout',
    'label',
    '#',
    'text',
    'endtext',
    'a',
    'b c',
    '\xff',
  ]
  const texts = fc.array(fc.constantFrom(...words), { maxLength: 24 }).map((parts) => parts.join(''))
  const settings = fc.constantFrom([extlinuxFile, 'DEFAULT'], [extlinuxFile, 'ONTIMEOUT'], [loaderConfFile, 'default'])
  fc.assert(
    fc.property(texts, settings, (text, setting) => {
      const [file, name] = setting as [typeof extlinuxFile, string]
      const bytes = Buffer.from(text, 'latin1')
      const before = file.valueIn(bytes, name)
      const changed = file.withValue(bytes, name, 'new-one')
      if (typeof changed === 'string') {
        expect(before, changed).toMatch(/^$|\r/)
        return
      }
      expect(file.valueIn(changed, name)).toBe('new-one')
      const [now, was] = [changed, bytes].map((each) => each.toString('latin1').split('\n')) as [string[], string[]]
      if (before === null) expect(now.slice(1)).toEqual(was)
      else expect(now.filter((line, index) => line !== was[index]).length).toBeLessThanOrEqual(1)
      expect(file.withValue(changed, name, before)).toEqual(bytes)
    }),
    { numRuns: 3000 },
  )
})
