// Minimal Debian roots for test-fresh.mjs, and running commands in them.
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './setup.mjs'

/** What README takes for granted: Debian's Node with npm, a clone (git itself is the host's), and for a user sudo. */
const packages = ['nodejs', 'npm', 'ca-certificates', 'sudo']

/** Where certificates of this machine's own are, here and there. */
const CERTIFICATES = '/usr/local/share/ca-certificates'

/** Where npm's own configuration of this machine lies in a root. */
const NPM_CONFIGURATION = '/etc/npmrc-of-the-host'

/** A root of this suite from the mirrors that this machine's apt uses, in the way that it uses them. */
export function makeRoot(suite, directory) {
  const options = aptOptions().flatMap((line) => ['--aptopt', line])
  const selection = ['--quiet', '--variant=minbase', `--include=${packages.join(',')}`]
  execFileSync('mmdebstrap', [...selection, ...options, suite, directory, ...sourcesOf(suite)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

/** The lines of sources.list for a suite, by the mirrors of this machine's own. */
function sourcesOf(suite) {
  const format = ['--format', '$(REPO_URI) $(RELEASE) $(COMPONENT)', 'Created-By: Packages']
  const targets = execFileSync('apt-get', ['indextargets', ...format], { encoding: 'utf8' })
  const lines = targets.split('\n').map((line) => line.split(' '))
  const main = lines.filter(([, , component]) => component === 'main')
  const isSecurity = ([uri, release]) => /-security|\/updates$/.test(release ?? '') || /debian-security/.test(uri)
  const [archive] = main.find((line) => !isSecurity(line)) ?? []
  const [security] = main.find(isSecurity) ?? []
  if (archive === undefined) throw new Error('apt-get indextargets shows no Debian mirror of this machine')
  if (suite === 'sid' || suite === 'unstable') return [`deb ${archive} ${suite} main`]
  return [
    `deb ${archive} ${suite} main`,
    `deb ${archive} ${suite}-updates main`,
    ...(security === undefined ? [] : [`deb ${security} ${suite}-security main`]),
  ]
}

/** How this machine's apt reaches its mirrors: proxies, certificates, and whether dates are checked. */
function aptOptions() {
  const dump = execFileSync('apt-config', ['dump'], { encoding: 'utf8' }).split('\n')
  return dump.filter((line) => /^Acquire::(Check-(Valid-Until|Date)|(https?|ftp)(::[^ ]+)?) "[^"]+";$/.test(line))
}

/**
 * Puts into a root what it needs of this machine to reach networks (names, certificates, npm's configuration), the user, and a
 * clone of what is committed here.
 * @param user who is to work there: null for root, else an ordinary user with sudo
 */
export function layRoot(place, user) {
  for (const file of ['/etc/resolv.conf', '/etc/hosts'])
    if (existsSync(file)) writeFileSync(join(place, file), readFileSync(file))
  if (existsSync(CERTIFICATES)) cpSync(CERTIFICATES, join(place, CERTIFICATES), { recursive: true })
  const home = user === null ? '/root' : `/home/${user}`
  const machine = { isRoot: user === null, run: (command, log) => runIn(place, user, home, command, log) }
  execIn(place, 'update-ca-certificates')
  if (user !== null) {
    execIn(place, 'useradd', '--create-home', '--shell', '/bin/bash', user)
    writeFileSync(join(place, 'etc/sudoers.d', user), `${user} ALL=(ALL) NOPASSWD: ALL\n`, { mode: 0o440 })
  }
  copyNpmConfiguration(place, home)
  const clone = join(place, home, 'linux-kexec')
  execFileSync('git', ['clone', '--quiet', '--no-local', root, clone], { stdio: ['ignore', 'ignore', 'inherit'] })
  if (user !== null) execIn(place, 'chown', '--recursive', `${user}:${user}`, home)
  return machine
}

function copyNpmConfiguration(place, home) {
  const file = (name) => execFileSync('npm', ['config', 'get', name], { encoding: 'utf8', cwd: '/' }).trim()
  for (const [name, target] of [
    ['userconfig', join(home, '.npmrc')],
    ['globalconfig', NPM_CONFIGURATION],
  ]) {
    if (existsSync(file(name))) writeFileSync(join(place, target), readFileSync(file(name)), { mode: 0o644 })
  }
}

/** How this machine's environment reaches networks. */
function networkEnvironment() {
  return Object.entries(process.env).filter(([name]) =>
    /_proxy$|^npm_config_(registry|cafile|https?_proxy|proxy|noproxy)$|CA_CERTS|CERT_(FILE|DIR)$|CA_BUNDLE$/i.test(
      name,
    ),
  )
}

/** Runs inside of a root; $1 is the root. Mounts and processes end with it. */
const enter = `set -e
root=$1
shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 dev "$root/dev"
for node in null zero full random urandom tty kvm; do
  [ -e /dev/$node ] || continue
  : >"$root/dev/$node"
  mount --bind /dev/$node "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"
cd "$root"
# Not chroot: whoever has been through that can make no namespaces, as some tests do.
pivot_root . .
umount -l .
cd /
setpriv --bounding-set=-sys_boot,-sys_module,-sys_rawio --inh-caps=-all "$@"
`

/** The command of this machine that runs one in a root. */
function inRoot(place, command) {
  const namespaces = ['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--ipc', '--uts']
  return ['unshare', ...namespaces, 'sh', '-c', enter, 'sh', place, ...command]
}

function execIn(place, ...command) {
  const [program, ...args] = inRoot(place, ['env', '-i', `PATH=${systemPath}`, ...command])
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

const userPath = '/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games'
const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Runs a command in the clone there, with the environment of a fresh login. @returns status and all that it printed */
function runIn(place, user, home, command, log) {
  const environment = [
    ...networkEnvironment().map(([name, value]) => `${name}=${value}`),
    ...(existsSync(join(place, NPM_CONFIGURATION)) ? [`npm_config_globalconfig=${NPM_CONFIGURATION}`] : []),
    ...[`HOME=${home}`, `USER=${user ?? 'root'}`, `PATH=${user === null ? systemPath : userPath}`, 'LANG=C.UTF-8'],
  ]
  const become = user === null ? [] : ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups']
  const there = ['env', '-i', ...environment, 'sh', '-c', 'cd ~/linux-kexec && exec "$@"', 'sh', ...command]
  const [program, ...args] = inRoot(place, [...become, ...there])
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  return new Promise((resolve, reject) => {
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text
        log?.write(text)
      })
    }
    child.once('error', reject)
    child.once('close', (status) => {
      log?.end()
      resolve({ status, output })
    })
  })
}
