import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const modules = join(import.meta.dirname, '../../modules')
const LONGEST = 40

/** The words of a target's format, for `mutate`: those its parser looks for are written in the parser itself. */
export function dictionaryOf({ parser, words = [] }) {
  const found = new Set(words)
  for (const path of filesOf(parser)) {
    const source = withoutComments(readFileSync(path, 'utf8'))
    for (const [, , text] of source.matchAll(/(['"`])((?:\\.|(?!\1)[^\\\n])*)\1/g)) add(found, text)
    for (const [, key] of source.matchAll(/^\s+([\w-]+):/gm)) add(found, key)
    for (const [, pattern] of source.matchAll(/[(=,:[&|] ?\/((?:\\.|[^/\\\n])+)\/[a-z]*/g)) {
      for (const [word] of pattern.replace(/\\[a-zA-Z]/g, ' ').matchAll(/[\w.@:-]{2,}/g)) add(found, word)
    }
  }
  return [...found].map((word) => Buffer.from(word, 'latin1'))
}

/** Sentences are for people, and modules for the program. */
function add(found, text) {
  if (text !== '' && text.length <= LONGEST && !/[\s\\]|\$\{|^\.\.?\/.*\.js$|^node:/.test(text)) found.add(text)
}

function withoutComments(source) {
  return source.replace(/\/\*.*?\*\//gs, '').replace(/^\s*\/\/.*$/gm, '')
}

/** 'entries/limine' is limine.js and whatever lies below the directory limine. */
function filesOf(parser) {
  const directory = join(modules, parser)
  const inside = existsSync(directory)
    ? readdirSync(directory, { recursive: true }).map((name) => join(directory, name))
    : []
  return [`${directory}.js`, ...inside].filter((path) => path.endsWith('.js') && existsSync(path))
}
