import { expect, test } from 'vitest'
import { memoryBytes } from '../../../src/bytes/bytes.ts'
import { childOf, stringOf } from '../../../src/device-tree/look-up.ts'
import { listDeviceTree, readDeviceTree } from '../../../src/device-tree/read.ts'
import { type DeviceTree, type TreeNode, textOf } from '../../../src/device-tree/tree.ts'
import { writeDeviceTree } from '../../../src/device-tree/write.ts'

const file = Buffer.alloc(20_000, 'f')

function written(): { bytes: Buffer; tree: DeviceTree } {
  const image: TreeNode = { name: 'kernel@1', properties: new Map([['data', file]]), children: [] }
  const root: TreeNode = {
    name: '',
    properties: new Map([
      ['model', textOf('first')],
      ['modem', textOf('second')],
    ]),
    children: [image],
  }
  const tree = { reservations: [], bootProcessor: 0, names: Buffer.alloc(0), root }
  return { bytes: writeDeviceTree(tree), tree }
}

test('both ways to read agree; a file in the tree is only listed, with its place', () => {
  const { bytes, tree } = written()
  expect(readDeviceTree(bytes, 'x').root).toEqual(tree.root)
  const listed = listDeviceTree(memoryBytes(bytes))
  if (typeof listed === 'string') throw new Error(listed)
  expect(stringOf(listed, 'model')).toBe('first')
  const data = childOf(listed, 'kernel')?.properties.get('data')
  expect(data?.value).toHaveLength(0)
  expect(bytes.subarray(data?.offset, (data?.offset ?? 0) + (data?.length ?? 0))).toEqual(file)
})

test('of two properties with one name the first counts, whichever way it is read', () => {
  const { bytes } = written()
  const second = bytes.indexOf('modem')
  bytes.write('model', second, 'latin1')
  expect(readDeviceTree(bytes, 'x').root.properties.get('model')).toEqual(textOf('first'))
  const listed = listDeviceTree(memoryBytes(bytes))
  expect(typeof listed === 'string' ? listed : stringOf(listed, 'model')).toBe('first')
})

test.each([
  ['cut short', (bytes: Buffer) => bytes.subarray(0, bytes.length - 1), /asks for/],
  ['without a header', (bytes: Buffer) => bytes.subarray(0, 39), 'has no header'],
  ['of a newer version', (bytes: Buffer) => bytes.fill(18, 27, 28), /is of version/],
  ['with its names outside', (bytes: Buffer) => bytes.fill(0xff, 12, 14), /outside of itself/],
  [
    'with a token that is none',
    (bytes: Buffer) => bytes.fill(7, bytes.indexOf(file) - 9, bytes.indexOf(file) - 8),
    /./,
  ],
])('a tree %s is refused in the same words, whichever way it is read', (_, damage, words) => {
  const bytes = damage(written().bytes)
  const problem = listDeviceTree(memoryBytes(bytes))
  expect(problem).toMatch(words)
  expect(() => readDeviceTree(bytes, 'x')).toThrow(`the device tree ${problem}`)
})
