import { textOfBytes } from '../exact-text.ts'
import type { ListedNode } from './read.ts'

/** The child of this name, or undefined. A name without a unit address means any: fdt_subnode_offset() of libfdt. */
export function childOf(node: ListedNode | undefined, name: string): ListedNode | undefined {
  const isNamed = name.includes('@') ? () => false : (child: ListedNode) => child.name.startsWith(`${name}@`)
  return node?.children.find((child) => child.name === name || isNamed(child))
}

/** A property's text up to the first NUL, or undefined. */
export function stringOf(node: ListedNode | undefined, name: string): string | undefined {
  return stringsOf(node, name)[0]
}

/** A property that lists texts. */
export function stringsOf(node: ListedNode | undefined, name: string): string[] {
  const property = node?.properties.get(name)
  return property === undefined ? [] : textOfBytes(property.value).replace(/\0$/, '').split('\0')
}

/** A property of one or two cells, or undefined when it is of another size, or exceeds the exact range of numbers. */
export function numberOf(node: ListedNode | undefined, name: string): number | undefined {
  const value = node?.properties.get(name)?.value
  if (value?.length === 4) return value.readUInt32BE(0)
  if (value?.length !== 8) return undefined
  const number = Number(value.readBigUInt64BE(0))
  return Number.isSafeInteger(number) ? number : undefined
}
