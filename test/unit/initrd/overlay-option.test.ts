import { expect, test } from 'vitest'
import { parseOverlay } from '../../../src/initrd/overlay-option.ts'

const parse = (text: string, ...paths: string[]) => parseOverlay(text, (path) => paths.includes(path))

test('a source alone, and with a destination', () => {
  expect(parse('my.ko', 'my.ko')).toEqual({ source: 'my.ko' })
  expect(parse('my.ko:/lib/', 'my.ko')).toEqual({ source: 'my.ko', destination: '/lib/' })
})

test('a path with a colon that is there wins over the split', () => {
  expect(parse('a:/b', 'a:/b', 'a')).toEqual({ source: 'a:/b' })
  expect(parse('a:b:/c', 'a:b', 'a')).toEqual({ source: 'a:b', destination: '/c' })
  expect(parse('a:/b:/c', 'a', 'a:/b')).toEqual({ source: 'a:/b', destination: '/c' })
  expect(parse('a:/b:/c', 'a')).toEqual({ source: 'a', destination: '/b:/c' })
})

test('of what is absent the first destination counts, so that the source is what is missed', () => {
  expect(parse('absent')).toEqual({ source: 'absent' })
  expect(parse('absent:/b:/c')).toEqual({ source: 'absent', destination: '/b:/c' })
  expect(parse('absent:relative')).toEqual({ source: 'absent', destination: 'relative' })
})
