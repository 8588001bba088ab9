#!/usr/bin/env node
// Bundles the library: dist/index.js, dist/vm/index.js and dist/vm/vitest/index.js, and in dist/library what several of them need,
// or what is loaded only when it is used. Reading the modules one by one would take Node four times as long. Packages stay outside.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(root, 'dist')

rmSync(join(dist, 'library'), { recursive: true, force: true })
const { outputFiles } = await build({
  entryPoints: Object.fromEntries(
    ['index', 'vm/index', 'vm/vitest/index'].map((name) => [name, join(root, `src/${name}.ts`)]),
  ),
  outdir: dist,
  chunkNames: 'library/[name]-[hash]',
  bundle: true,
  splitting: true,
  write: false,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  target: 'node20',
  minifyWhitespace: true,
  minifySyntax: true,
  // What asks for the URL of its own file (src/native.ts) gets that of the main one.
  define: { 'import.meta.url': 'mainUrl' },
  logLevel: 'warning',
})
for (const { path, text } of outputFiles) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, `${banner(path, text)}${text}`)
}

/** Imports are read first wherever they stand, so a line above them does not change their order. */
function banner(path, text) {
  if (!text.includes('mainUrl')) return ''
  const main = relative(dirname(path), join(dist, 'index.js'))
  return `const mainUrl=new URL(${JSON.stringify(main.startsWith('.') ? main : `./${main}`)},import.meta.url).href\n`
}
