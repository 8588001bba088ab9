// Sets up what a script needs, and says so: npm packages, programs from Debian, the addon, the build, the packed tarball.
// Each step is skipped when its result is there, so a second run begins at once.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isInstalled, missingFor, packageOf, pathWithSystemDirectories, run } from './programs.mjs'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
export const tarball = join(root, 'build/linux-kexec.tgz')

/** Where Debian's Node is too old, its npm installs a newer one. With an npm of its own: Debian's needs Debian's Node. */
export const newerNode = ['npm', 'install', '--global', 'node@22', 'npm@10']

/**
 * Everything that a script running kernels in QEMU needs. Ends this process with a plain message when it cannot be had.
 * @param options.jobs what else it does, by the names in programs.mjs
 * @param options.architectures other machines that kernels are run for, by Node's names of them
 */
export function setUp({ jobs = [], architectures = [] } = {}) {
  requireNode()
  // Also for what this process starts.
  process.env.PATH = pathWithSystemDirectories()
  installFor('build', 'harness', ...jobs, ...architectures)
  installPackages()
  runNode('scripts/build-native.mjs')
  buildIfStale()
  packIfStale(architectures)
}

export function requireNode() {
  const major = Number(process.versions.node.split('.')[0])
  if (major < 20)
    fail(
      `linux-kexec needs Node 20 or newer; this is ${process.version}. A newer one can be installed with npm:\n  ${asRoot(newerNode).join(' ')}\nThen run this again in a new shell.`,
    )
  if (process.platform !== 'linux') fail(`this needs Linux; this is ${process.platform}`)
}

/** The command as root: as it is for root, through sudo for others. */
function asRoot(command) {
  return process.getuid() === 0 ? command : ['sudo', ...command]
}

/** Installs with apt-get what is missing for these jobs of programs.mjs: directly as root, else through sudo, which asks. */
export function installFor(...names) {
  const missing = missingFor(...names)
  if (missing.length === 0) return
  if (!isInstalled('apt-get'))
    fail(`These programs are missing, and there is no apt-get to install them: ${missing.join(', ')}.`)
  const install = (packages) => ['apt-get', 'install', '-y', '--no-install-recommends', ...packages]
  const guess = [...new Set(missing.map((program) => packageOf(program)))]
  const isRoot = process.getuid() === 0
  if (!isRoot && !isInstalled('sudo'))
    fail(`These programs are missing: ${missing.join(', ')}. As root, run:\n  ${install(guess).join(' ')}`)
  say(
    `installing ${guess.join(', ')} with apt-get${isRoot ? '' : '; this alone needs root, so sudo may ask for your password'}`,
  )
  // sudo keeps no proxies, and asks debconf's questions of somebody who does not see them.
  const kept = Object.entries(process.env).filter(([name]) => /_proxy$/i.test(name))
  const environment = ['env', 'DEBIAN_FRONTEND=noninteractive', ...kept.map(([name, value]) => `${name}=${value}`)]
  const updated = quietly(asRoot([...environment, 'apt-get', 'update']))
  const packages = [...new Set(missing.map((program) => packageOf(program, aptKnows)))]
  if (!quietly(asRoot([...environment, ...install(packages)])))
    fail(
      `apt-get could not install ${packages.join(', ')}${updated ? '' : ', nor update its lists'}. Run this by hand until it succeeds:\n  ${asRoot(['apt-get', 'update']).join(' ')} && ${asRoot(install(packages)).join(' ')}`,
    )
  const still = missing.filter((program) => !isInstalled(program))
  if (still.length > 0)
    fail(
      `${packages.join(', ')} ${packages.length === 1 ? 'is' : 'are'} installed, but ${still.join(', ')} still cannot be found. Install what brings it, or tell us your release of Debian.`,
    )
}

function aptKnows(name) {
  return spawnSync('apt-cache', ['show', '--no-all-versions', name], { stdio: 'ignore' }).status === 0
}

/**
 * npm install from package-lock.json, when it is not the one that node_modules was made from. Not `npm ci`: that insists on
 * optional packages for platforms that some registries do not carry.
 */
export function installPackages() {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  const stamp = join(root, 'node_modules/.linux-kexec-lock')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return
  say('installing npm packages')
  if (
    !run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
  )
    fail('npm could not install the packages of package-lock.json. Run `npm install` here to see why.')
  writeFileSync(stamp, lock)
}

function buildIfStale() {
  const sources = [
    ...filesBelow('src'),
    'package.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'scripts/bundle-library.mjs',
    'scripts/bundle-cli.mjs',
  ]
  if (newest(sources) < newest(['dist/linux-kexec.cjs'])) return
  say('compiling TypeScript')
  if (!run('npm', ['run', '--silent', 'compile'], { cwd: root })) process.exit(1)
}

/** The package as users install it, with the prebuilt addons for this machine and these: what the guests get. */
function packIfStale(architectures) {
  const wanted = [process.arch, ...architectures]
  const addonOf = (architecture) => `prebuilds/linux-${architecture}/linux_kexec.node`
  const stale = wanted.filter((name) => newest([addonOf(name)]) < newest(['build/Release/linux_kexec.node']))
  if (stale.length > 0) {
    say(`building the portable addon for ${stale.join(', ')}`)
    runNode('scripts/prebuild.mjs', '--arch', stale.join(','))
  }
  const packed = [
    ...filesBelow('dist'),
    ...filesBelow('docs'),
    ...wanted.map(addonOf),
    'package.json',
    'README.md',
    'CHANGELOG.md',
    'SECURITY.md',
  ]
  if (newest(packed) < newest(['build/linux-kexec.tgz'])) return
  say('packing the tarball')
  const destination = join(root, 'build/pack')
  rmSync(destination, { recursive: true, force: true })
  mkdirSync(destination, { recursive: true })
  const pack = ['pack', '--ignore-scripts', '--silent', '--pack-destination', destination]
  if (!run('npm', pack, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })) process.exit(1)
  renameSync(join(destination, readdirSync(destination)[0]), tarball)
}

/** Milliseconds since the epoch of the newest of these files; 0 when none is there. */
function newest(files) {
  return Math.max(0, ...files.map((file) => statSync(join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0))
}

function filesBelow(directory) {
  if (!existsSync(join(root, directory))) return []
  return readdirSync(join(root, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
}

function runNode(script, ...args) {
  if (!run(process.execPath, [join(root, script), ...args], { cwd: root })) process.exit(1)
}

/** Runs a program and shows what it printed only when it failed. */
function quietly([program, ...args]) {
  const { status, stdout, stderr } = spawnSync(program, args, {
    stdio: ['inherit', 'pipe', 'pipe'],
    encoding: 'utf8',
  })
  if (status === 0) return true
  process.stderr.write(`${stdout}${stderr}`)
  return false
}

export function say(text) {
  console.log(`• ${text}`)
}

export function fail(text) {
  console.error(text)
  process.exit(1)
}
