/**
 * The keys of a Boot Loader Specification type 1 file with their values, in the order of the file: `initrd` and `options`
 * may be repeated (https://uapi-group.org/specifications/specs/boot_loader_specification/). Keys are in lower case.
 */
export type Type1Keys = ReadonlyMap<string, readonly string[]>

/** Reads a type 1 file. Lines that are no `key value` are passed over, as boot loaders do. */
export function parseType1(text: string): Type1Keys {
  const keys = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [, key, value] = /^\s*([^\s#]\S*)\s+(\S.*?)\s*$/.exec(line) ?? []
    if (key === undefined || value === undefined) continue
    const name = key.toLowerCase()
    const values = keys.get(name)
    if (values === undefined) keys.set(name, [value])
    else values.push(value)
  }
  return keys
}
