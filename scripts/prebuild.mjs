#!/usr/bin/env node
// npm run prebuild [-- --arch x64,arm64 | --only-host]
// Builds the addon for the package: prebuilds/linux-<arch>/linux_kexec.node, stripped, each through the gate. One file
// per architecture serves every libc and every runtime with Node-API 8 (docs/building.md). arm, riscv64, s390x and
// ppc64 can be asked for.
import { cpSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { nodePrefixWithHeaders } from './node-headers.mjs'
import { requirePrograms, run } from './programs.mjs'

/** GNU triplets, as Debian's cross compilers are named. */
const triplets = {
  x64: 'x86_64-linux-gnu',
  arm64: 'aarch64-linux-gnu',
  arm: 'arm-linux-gnueabihf',
  riscv64: 'riscv64-linux-gnu',
  s390x: 's390x-linux-gnu',
  ppc64: 'powerpc64le-linux-gnu',
}

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const architectures = wanted()
const compilers = architectures.filter((arch) => arch !== process.arch).map((arch) => `${triplets[arch]}-g++`)
requirePrograms(
  ['g++', 'make', 'python3', 'readelf', ...compilers],
  `Building for ${architectures.join(', ')}${compilers.length > 0 ? ' (--only-host: for this machine alone)' : ''}`,
)

for (const arch of architectures) prebuild(arch)
const built = architectures.map((arch) => `prebuilds/linux-${arch}/linux_kexec.node`)
if (!run(process.execPath, ['scripts/check-native.mjs', ...built], { cwd: root })) process.exit(1)

function wanted() {
  const { values } = parseArgs({
    options: { arch: { type: 'string', default: 'x64,arm64' }, 'only-host': { type: 'boolean' } },
  })
  const wanted = values['only-host'] ? [process.arch] : values.arch.split(',')
  const unknown = wanted.filter((arch) => !(arch in triplets))
  if (unknown.length === 0) return wanted
  console.error(`Unknown architecture ${unknown.join(', ')}; known are ${Object.keys(triplets).join(', ')}`)
  process.exit(2)
}

function prebuild(arch) {
  console.log(`Building prebuilds/linux-${arch}/linux_kexec.node`)
  // In a directory of its own: prebuildify empties build/, where the developer's own addon is.
  const stage = join(root, 'build-prebuild', arch)
  rmSync(stage, { recursive: true, force: true })
  mkdirSync(stage, { recursive: true })
  for (const source of ['package.json', 'binding.gyp', 'native']) {
    cpSync(join(root, source), join(stage, source), { recursive: true })
  }
  const prebuildify = createRequire(import.meta.url).resolve('prebuildify/bin.js')
  const options = ['--napi', '--strip', '--arch', arch, '--target', process.versions.node, '--quiet', '--name', 'addon']
  const environment = { ...process.env, ...crossTools(arch), ...offline() }
  if (!run(process.execPath, [prebuildify, ...options], { cwd: stage, env: environment })) process.exit(1)
  const directory = join(root, 'prebuilds', `linux-${arch}`)
  mkdirSync(directory, { recursive: true })
  renameSync(join(stage, `prebuilds/linux-${arch}/addon.node`), join(directory, 'linux_kexec.node'))
}

function crossTools(arch) {
  if (arch === process.arch) return {}
  const tool = (name) => `${triplets[arch]}-${name}`
  return { CC: tool('gcc'), CXX: tool('g++'), AR: tool('ar'), PREBUILD_STRIP_BIN: tool('strip') }
}

function offline() {
  const prefix = nodePrefixWithHeaders()
  return prefix === undefined ? {} : { npm_config_nodedir: prefix }
}
