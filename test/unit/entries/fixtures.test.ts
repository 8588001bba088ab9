import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { fixtureNames, fixtureRoot } from './fixtures.ts'

/** Every file, directory and link of a tree, with nothing followed. */
function paths(root: string, directory = '/'): string[] {
  return readdirSync(join(root, directory)).flatMap((name) => {
    const path = join(directory, name)
    return lstatSync(join(root, path)).isDirectory() ? [path, ...paths(root, path)] : [path]
  })
}

describe('the trees that real tools made', () => {
  test.each(fixtureNames)('%s can be laid', (name) => {
    expect(paths(fixtureRoot(name)).length).toBeGreaterThan(3)
  })
})
