// Sets up what a script needs, and says so: npm packages, programs from Debian, the addon, the build, the packed tarball.
// Each step is skipped when its result is there, so a second run begins at once.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isInstalled, packageOf, run } from './programs.mjs'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
export const tarball = join(root, 'build/linux-kexec.tgz')

/** What compiling the addon takes, what booting machines takes, and what making disks for them takes. */
const compiler = ['g++', 'gcc', 'make', 'python3', 'strip', 'readelf']
const fileSystems = ['mke2fs', 'mkfs.btrfs', 'mkfs.fat', 'mcopy']
const emulator = ['qemu-system-x86_64', 'dpkg-deb', 'apt-get']

/** By Node's names: the emulator of each, and what compiles the addon for it. */
const foreign = {
  arm64: ['qemu-system-aarch64', 'aarch64-linux-gnu-g++'],
  riscv64: ['qemu-system-riscv64', 'riscv64-linux-gnu-g++'],
  arm: ['qemu-system-arm', 'arm-linux-gnueabihf-g++'],
  ppc64: ['qemu-system-ppc64', 'powerpc64le-linux-gnu-g++'],
  s390x: ['qemu-system-s390x', 's390x-linux-gnu-g++'],
}

/**
 * Everything that a script running kernels in QEMU needs. Ends this process with a plain message when it cannot be had.
 * @param options.architectures other machines that kernels are run for, by Node's names of them
 */
export function setUp({ programs = [], architectures = [] } = {}) {
  requireNode()
  const theirs = architectures.flatMap((name) => foreign[name])
  installPrograms([...compiler, ...emulator, ...fileSystems, ...theirs, ...programs])
  installPackages()
  runNode('scripts/build-native.mjs')
  buildIfStale()
  packIfStale(architectures)
}

function requireNode() {
  const major = Number(process.versions.node.split('.')[0])
  if (major < 20) fail(`linux-kexec needs Node 20 or newer; this is ${process.version}`)
  if (process.platform !== 'linux') fail(`this needs Linux; this is ${process.platform}`)
}

/** Installs missing programs with apt-get: directly as root, else through sudo, which asks. */
export function installPrograms(programs) {
  const missing = programs.filter((program) => !isInstalled(program))
  if (missing.length === 0) return
  const packages = [...new Set(missing.map(packageOf))]
  const install = ['apt-get', 'install', '-y', '--no-install-recommends', ...packages]
  const asRoot = process.getuid() === 0 ? [] : ['sudo']
  if (!isInstalled('apt-get'))
    fail(`these programs are missing, and there is no apt-get to install them: ${missing.join(', ')}`)
  if (asRoot.length > 0 && !isInstalled('sudo'))
    fail(`these programs are missing: ${missing.join(', ')}. As root, run:\n  ${install.join(' ')}`)
  say(
    `installing ${packages.join(', ')} with apt-get${asRoot.length > 0 ? '; this alone needs root, so sudo may ask for your password' : ''}`,
  )
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  quietly([...asRoot, 'apt-get', 'update'], environment)
  if (!quietly([...asRoot, ...install], environment))
    fail(`apt-get could not install them. Run it by hand to see why:\n  ${install.join(' ')}`)
  const still = missing.filter((program) => !isInstalled(program))
  if (still.length > 0) fail(`installed ${packages.join(', ')}, but ${still.join(', ')} is still not in PATH`)
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
    process.exit(1)
  writeFileSync(stamp, lock)
}

function buildIfStale() {
  const sources = [
    ...filesBelow('src'),
    'package.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'scripts/bundle-cli.mjs',
  ]
  if (newest(sources) < newest(['dist/linux-kexec.cjs'])) return
  say('compiling TypeScript')
  rmSync(join(root, 'dist'), { recursive: true, force: true })
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

function filesBelow(folder) {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
}

function runNode(script, ...args) {
  if (!run(process.execPath, [join(root, script), ...args], { cwd: root })) process.exit(1)
}

/** Runs a program and shows what it printed only when it failed. */
function quietly([program, ...args], env) {
  const { status, stdout, stderr } = spawnSync(program, args, {
    env,
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
