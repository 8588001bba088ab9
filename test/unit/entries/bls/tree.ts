import { System } from '../../../../src/system/system.ts'
import { readSentences } from '../sentences.ts'
import { identify, makeTree, type Tree } from '../tree.ts'

/** Everything that a tree can boot. */
export async function menuOf(tree: Tree) {
  return readSentences({ system: new System(makeTree(tree)), identify })
}

/** Type 1 files by name, without '.conf', in a directory of entries. */
export function type1(directory: string, files: Readonly<Record<string, string>>): Tree {
  return Object.fromEntries(
    Object.entries(files).map(([name, text]) => [`${directory}/loader/entries/${name}.conf`, { text }]),
  )
}

/** A variable of the Boot Loader Interface as efivarfs shows it: attributes, then UTF-16 with a NUL. */
export function loaderVariables(values: Readonly<Record<string, string>>): Tree {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      `/sys/firmware/efi/efivars/${name}-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f`,
      { file: Buffer.concat([Buffer.from([7, 0, 0, 0]), Buffer.from(`${value}\0`, 'utf16le')]) },
    ]),
  )
}
