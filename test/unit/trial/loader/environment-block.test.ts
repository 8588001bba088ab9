import { expect, test } from 'vitest'
import { setVariable, variableIn } from '../../../../src/trial/loader/environment-block.ts'

const block = (content: string, length = 128) => Buffer.from(`# GRUB Environment Block\n${content}`.padEnd(length, '#'))

test('a value that ends in a line break is no end of the block: what is added would belong to it', () => {
  // A backslash keeps the line break in the value; two are a backslash.
  expect(setVariable(block('other=1\\\n'), 'next_entry', 'x')).toBe('it does not end with a line break and padding')
  const set = setVariable(block('other=1\\\\\n'), 'next_entry', 'x')
  expect(set).toEqual(block('other=1\\\\\nnext_entry=x\n'))
})

test('a value keeps its backslashes and line breaks', () => {
  const set = setVariable(block('saved_entry=a\n'), 'next_entry', 'a\\b\nc')
  expect(set).toEqual(block('saved_entry=a\nnext_entry=a\\\\b\\\nc\n'))
  expect(variableIn(set as Buffer, 'next_entry')).toBe('a\\b\nc')
})

test('of a variable that is there twice the last value counts, and one line is left', () => {
  const twice = block('next_entry=a\nother=1\nnext_entry=b\n')
  expect(variableIn(twice, 'next_entry')).toBe('b')
  expect(setVariable(twice, 'next_entry', 'c')).toEqual(block('other=1\nnext_entry=c\n'))
  expect(setVariable(twice, 'next_entry', null)).toEqual(block('other=1\n'))
})
