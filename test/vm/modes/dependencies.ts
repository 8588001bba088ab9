import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ImageEntry } from '../../../src/vm/index.ts'

const modules = join(import.meta.dirname, '../../../node_modules')

/** What our library depends on, with all that depends on, for a guest: npm would install it, and the tarball has it not. */
export function libraryDependencies(): ImageEntry[] {
  const names = new Set(dependenciesOf(join(modules, '..')))
  // Names that are added are visited, too.
  for (const name of names) for (const further of dependenciesOf(join(modules, name))) names.add(further)
  return [...names].flatMap((name) =>
    readdirSync(join(modules, name), { recursive: true, withFileTypes: true }).flatMap((entry) => {
      const source = join(entry.parentPath, entry.name)
      return entry.isFile() ? [{ path: `/usr/lib/node_modules/${source.slice(modules.length + 1)}`, source }] : []
    }),
  )
}

function dependenciesOf(directory: string): string[] {
  const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as {
    readonly dependencies?: Readonly<Record<string, string>>
  }
  return Object.keys(manifest.dependencies ?? {})
}
