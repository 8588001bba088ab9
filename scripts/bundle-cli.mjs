#!/usr/bin/env node
// Bundles the command into CommonJS files: dist/linux-kexec.cjs, which only knows the commands' names, and in dist/cli what
// each of them needs, shared where several do. Node compiles what it reads, so a command is not to read the others'.
// As modules, the same files would take 7 ms longer to start.
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, transform } from 'esbuild'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(root, 'dist')
const main = 'linux-kexec'

/** esbuild divides only what it writes as modules, so it writes those first, to memory. */
const { outputFiles } = await build({
  entryPoints: { [main]: join(root, 'src/cli/main.ts') },
  outdir: dist,
  chunkNames: '[name]-[hash]',
  bundle: true,
  splitting: true,
  write: false,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  // CommonJS has no import.meta; what asks for its URL (src/native.ts) gets the main file's.
  define: { 'import.meta.url': 'mainUrl' },
  logLevel: 'warning',
})

/** Modules of Node's own that take milliseconds to load, and that few commands use: they are loaded when something of them is. */
const HEAVY =
  /=(?:__toESM\(require\("(node:(?:crypto|module|stream|zlib))"\)(?:,1)?\)|require\("(node:(?:crypto|module|stream|zlib))"\))/g

const directory = join(dist, 'cli')
rmSync(directory, { recursive: true, force: true })
mkdirSync(directory, { recursive: true })
for (const { path, text } of outputFiles) {
  const isMain = basename(path) === `${main}.js`
  // Each file stands where it will, before its names are put right: the main one beside the directory of the others.
  const chunks = text.replaceAll(/(["'])\.\/([\w.-]+)\.js\1/g, (_, quote, name) => {
    return `${quote}${isMain ? './cli/' : './'}${name}.cjs${quote}`
  })
  const { code } = await transform(chunks, {
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    // Without it import() would stay, and load CommonJS through the loader of modules.
    supported: { 'dynamic-import': false },
    minifyWhitespace: true,
    minifySyntax: true,
    banner: banner(isMain, text),
  })
  const lazily = code.replaceAll(HEAVY, (_, whole, named) => {
    return `=new Proxy({},{get:(_,key)=>require("${whole ?? named}")[key]})`
  })
  const target = isMain ? join(dist, `${main}.cjs`) : join(directory, basename(path, '.js').concat('.cjs'))
  writeFileSync(target, lazily)
  if (isMain) chmodSync(target, 0o755)
}

/** A directive counts only before all else, so esbuild's own, below the banner, would not. */
function banner(isMain, text) {
  const first = isMain ? "#!/usr/bin/env node\n'use strict'" : "'use strict'"
  if (!text.includes('mainUrl')) return first
  const path = isMain ? '__filename' : `require('node:path').join(__dirname, '../${main}.cjs')`
  return `${first}\nconst mainUrl = require('node:url').pathToFileURL(${path}).href`
}
