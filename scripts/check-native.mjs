#!/usr/bin/env node
// node scripts/check-native.mjs FILE…
// The gate on a built addon: what it needs, gives and takes is exactly what it should be, and it is hardened. An addon
// that fails here would still load on this machine, and not on someone else's.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { requirePrograms } from './programs.mjs'

const exported = ['napi_register_module_v1', 'node_api_module_get_api_version_v1']

requirePrograms(['readelf'], 'Checking the addon')
const files = process.argv.slice(2)
if (files.length === 0) {
  console.error('usage: check-native.mjs FILE…')
  process.exit(2)
}
let failed = false
for (const file of files) {
  const problems = check(file)
  for (const problem of problems) console.error(`${file}: ${problem}`)
  if (problems.length === 0) console.log(`${file}: needs no library, exports and imports as listed, hardened`)
  failed ||= problems.length > 0
}
process.exit(failed ? 1 : 0)

/** What is wrong with the file; empty when nothing is. */
function check(file) {
  const dynamic = readelf('--dynamic', file)
  const segments = readelf('--segments', file)
  const symbols = dynamicSymbols(file)
  const imports = symbols.filter(({ section }) => section === 'UND').map(({ name }) => name)
  const exports = symbols.filter(({ section }) => section !== 'UND').map(({ name }) => name)
  const { required, optional } = allowedImports()
  return [
    ...[...dynamic.matchAll(/\((NEEDED|RPATH|RUNPATH|TEXTREL)\).*/g)].map(([line]) => `must not have ${line}`),
    ...without(exports, exported).map((name) => `exports ${name}, which exports.map should keep inside`),
    ...without(exported, exports).map((name) => `does not export ${name}`),
    ...without(imports, [...required, ...optional]).map((name) => `imports ${name}, which is not in imports.allow`),
    ...without(required, imports).map((name) => `does not import ${name}, which imports.allow requires`),
    ...(/GNU_RELRO/.test(segments) ? [] : ['has no GNU_RELRO segment']),
    ...(/\(FLAGS(_1)?\).*NOW/.test(dynamic) ? [] : ['is not bound at load time (-z now)']),
    ...(/GNU_STACK.* RW /.test(segments) ? [] : ['has an executable stack']),
  ]
}

function dynamicSymbols(file) {
  return readelf('--dyn-syms', file)
    .split('\n')
    .filter((line) => /^\s*\d+:.*\b(GLOBAL|WEAK|UNIQUE)\b/.test(line))
    .map((line) => {
      // ppc64 puts a remark before the section, so take the columns from the right. `@GLIBC_2.2.5 (2)` may hang on the name.
      const [section, name] = line.trim().replace(/@.*/, '').split(/\s+/).slice(-2)
      return { section, name }
    })
}

/** One name a line; `?` after it: not on every architecture or compiler. */
function allowedImports() {
  const lines = readFileSync(new URL('../native/imports.allow', import.meta.url), 'utf8')
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '')
  const optional = lines.filter((line) => line.endsWith('?')).map((line) => line.slice(0, -1).trim())
  return { required: lines.filter((line) => !line.endsWith('?')), optional }
}

function readelf(option, file) {
  const { status, stdout, stderr } = spawnSync('readelf', ['--wide', option, file], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  })
  if (status === 0) return stdout
  console.error(`${file}: ${stderr.trim()}`)
  process.exit(1)
}

function without(names, others) {
  return names.filter((name) => !others.includes(name))
}
