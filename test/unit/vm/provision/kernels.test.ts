import { expect, test } from 'vitest'
import { newestOfEachSeries } from '../../../../src/vm/provision/kernels.ts'

test('the newest of each of the newest series', () => {
  const versions = ['5.10.0-30', '6.1.0-9', '6.1.0-55', '6.1.0-56', '6.12.100+deb12', '6.12.117+deb12']
  expect(newestOfEachSeries(versions, 2)).toEqual(['6.1.0-56', '6.12.117+deb12'])
  expect(newestOfEachSeries(versions, 3)).toEqual(['5.10.0-30', '6.1.0-56', '6.12.117+deb12'])
})

test('the newest two of a suite that has one series', () => {
  expect(newestOfEachSeries(['6.1.0-9', '6.1.0-55', '6.1.0-56'], 2)).toEqual(['6.1.0-55', '6.1.0-56'])
})
