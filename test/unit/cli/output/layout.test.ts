import { expect, test } from 'vitest'
import { paragraphs, placed, table } from '../../../../src/cli/output/layout.ts'

const PIPE = Number.POSITIVE_INFINITY

test('a text goes on below itself, beside its label', () => {
  expect(placed('one two three', { width: 16, label: 'label', column: 8 })).toEqual([
    'label   one two',
    '        three',
  ])
  expect(placed('one two three', { width: PIPE, label: 'label', column: 8 })).toEqual(['label   one two three'])
})

test('a label wider than its column pushes only the first line on', () => {
  const placement = { width: 14, indent: 2, label: 'label', column: 2 }
  expect(placed('one two three', placement)).toEqual(['  label one', '    two three'])
})

test('without a label, every line stands in the column', () => {
  expect(placed('one two', { width: 8, column: 4 })).toEqual(['    one', '    two'])
})

test('further lines hang by what is asked for', () => {
  expect(placed('one two three', { width: 16, label: 'error:', hanging: 2 })).toEqual(['error: one two', '  three'])
})

test('no line break of a text or a label is obeyed', () => {
  expect(placed('one\ntwo', { width: PIPE, label: 'a\nb' })).toEqual(['a\\x0ab one\\x0atwo'])
})

test('the last cell of a row goes on below itself', () => {
  const rows = [
    ['a', 'one two three'],
    ['long', 'four'],
  ]
  expect(table(rows, { width: 16, indent: 2 })).toEqual(['  a     one two', '        three', '  long  four'])
  expect(table(rows)).toEqual(['a     one two three', 'long  four'])
})

test('line breaks of the source are none of a paragraph, empty lines are', () => {
  expect(paragraphs('one\ntwo\n\nthree', PIPE)).toEqual(['one two', '', 'three'])
  expect(paragraphs('one\ntwo\n\nthree', 4)).toEqual(['one', 'two', '', 'three'])
})
