#!/usr/bin/env node
// npm run build:native [-- --force]
// Builds build/Release/linux_kexec.node, the addon, and build/Release/deny_kexec, the safety net of the tests.
import { readdirSync, statSync, utimesSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nodePrefixWithHeaders } from './node-headers.mjs'
import { requirePrograms, run } from './programs.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const outputs = ['build/Release/linux_kexec.node', 'build/Release/deny_kexec']

if (!process.argv.includes('--force') && isUpToDate()) {
  console.log(`${outputs[0]} is newer than its sources; --force builds it again`)
} else {
  build()
}

function build() {
  requirePrograms([process.env.CXX ?? 'g++', process.env.CC ?? 'gcc', 'make', 'python3'], 'Building the addon')
  const prefix = nodePrefixWithHeaders()
  console.log(
    prefix === undefined
      ? `Building ${outputs[0]}; node-gyp fetches the headers of Node ${process.version}`
      : `Building ${outputs[0]} with the headers in ${join(prefix, 'include/node')}`,
  )
  const nodeGyp = [resolveNodeGyp(), 'configure', 'build', '--jobs=max', '--loglevel=warn']
  const nodedir = prefix === undefined ? [] : [`--nodedir=${prefix}`]
  if (!run(process.execPath, [...nodeGyp, ...nodedir], { cwd: root })) process.exit(1)
  // make leaves alone what a change did not reach, and we would ask it again each time.
  for (const output of outputs) utimesSync(join(root, output), new Date(), new Date())
}

function resolveNodeGyp() {
  try {
    return createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js')
  } catch {
    console.error('node-gyp is not installed. Run `npm install` in this directory first.')
    process.exit(1)
  }
}

function isUpToDate() {
  const sources = ['native', 'native/test'].flatMap((directory) =>
    readdirSync(join(root, directory))
      .filter((name) => /\.(cc|c|h|map)$/.test(name))
      .map((name) => join(directory, name)),
  )
  const built = Math.min(...outputs.map(modified))
  return [...sources, 'binding.gyp', 'node_modules/node-addon-api/package.json'].every((file) => modified(file) < built)
}

/** Milliseconds, 0 when there is no such file. */
function modified(file) {
  return statSync(join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0
}
