#!/usr/bin/env node
// npm run lint
// Every formatter and linter the project has; one warning of one of them fails.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { requirePrograms } from './programs.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const require = createRequire(import.meta.url)

requirePrograms(['clang-format', 'clang-tidy'], 'Linting the native code')
const cpp = nativeSources('.cc')
const c = nativeSources('.c')
const results = [
  lint('biome', process.execPath, [require.resolve('@biomejs/biome/bin/biome'), 'check', '--error-on-warnings', '.']),
  lint('tsc', process.execPath, [join(dirname(require.resolve('typescript/package.json')), 'bin/tsc'), '--noEmit']),
  lint('clang-format', 'clang-format', ['--dry-run', '-Werror', ...cpp, ...c, ...nativeSources('.h')]),
  lint('clang-tidy C++', 'clang-tidy', ['--quiet', ...cpp, '--', '-std=c++17', ...addonFlags()]),
  lint('clang-tidy C', 'clang-tidy', ['--quiet', ...c, '--', '-std=gnu17']),
]
process.exitCode = results.every(Boolean) ? 0 : 1

function lint(name, program, args) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd: root, encoding: 'utf8' })
  console.log(`${name}: ${status === 0 ? 'clean' : 'NOT CLEAN'}`)
  // clang-tidy counts on stderr the warnings of other people's headers, which it keeps to itself.
  if (status !== 0) console.log(`${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}`)
  return status === 0
}

function nativeSources(extension) {
  return ['native', 'native/test', 'native/purgatory', 'native/deadman', 'native/rehearsal'].flatMap((directory) =>
    readdirSync(join(root, directory))
      .filter((name) => name.endsWith(extension))
      .map((name) => join(directory, name)),
  )
}

/** The defines of binding.gyp. Headers of others are system headers: not ours to lint. */
function addonFlags() {
  const headers = [require('node-api-headers').include_dir, dirname(require.resolve('node-addon-api/package.json'))]
  const defines = [
    'NAPI_VERSION=8',
    'NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS',
    'NODE_ADDON_API_DISABLE_DEPRECATED',
    'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
  ]
  return [
    '-fno-exceptions',
    '-Inative',
    ...headers.flatMap((directory) => ['-isystem', directory]),
    ...defines.map((define) => `-D${define}`),
  ]
}
