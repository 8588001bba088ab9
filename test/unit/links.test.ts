import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'

const below = (directory: string) =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => join(directory, name))
const pages = [...readdirSync('.'), ...below('docs'), ...below('examples')].filter((name) => name.endsWith('.md'))

/** The anchor GitHub gives a heading. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-')
}

test.each(pages)('%s: every link leads somewhere', (page) => {
  for (const [, link] of readFileSync(page, 'utf8').matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
    const [file, fragment] = (link as string).split('#') as [string, string | undefined]
    const target = file === '' ? page : join(dirname(page), file)
    expect(existsSync(target), `${link} in ${page}`).toBe(true)
    if (fragment === undefined) continue
    const headings = [...readFileSync(target, 'utf8').matchAll(/^#+ (.+)$/gm)].map((match) =>
      anchor(match[1] as string),
    )
    expect(headings, `${link} in ${page}`).toContain(fragment)
  }
})
