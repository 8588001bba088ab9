import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const LOADER = '4a67b082-0a4c-41cf-b6c7-440b29bb8c4f'
const GLOBAL = '8be4df61-93ca-11d2-aa0d-00e098032b8c'

/** What is read when boot entries are listed. */
const names = [
  ...['LoaderInfo', 'LoaderEntries', 'LoaderEntryDefault', 'LoaderEntryOneShot', 'LoaderEntrySelected'],
  ...['LoaderEntryPreferred', 'LoaderEntryLastBooted', 'SecureBoot', 'SetupMode'],
]

/** Between two variables of an input. */
const MARK = Buffer.from('EFI!')

/** An input with these variables: of each a byte that says which it is, and its file in efivarfs. */
export function variables(contents) {
  return Buffer.concat(
    Object.entries(contents).flatMap(([name, text]) => {
      const bytes = typeof text === 'string' ? Buffer.from(`${text}\0`, 'utf16le') : Buffer.from([text])
      return [MARK, Buffer.from([names.indexOf(name), 6, 0, 0, 0]), bytes]
    }),
  )
}

/** Lays out the variables of an input, and no others. */
export function writeVariables(input, root) {
  const directory = join(root, '/sys/firmware/efi/efivars')
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  let at = input.indexOf(MARK)
  for (let count = 0; at >= 0 && count < 2 * names.length; count++) {
    const end = input.indexOf(MARK, at + MARK.length)
    const variable = input.subarray(at + MARK.length, end < 0 ? input.length : end)
    const name = names[(variable[0] ?? 0) % names.length]
    const guid = name.startsWith('Loader') ? LOADER : GLOBAL
    writeFileSync(join(directory, `${name}-${guid}`), variable.subarray(1))
    at = end
  }
}
