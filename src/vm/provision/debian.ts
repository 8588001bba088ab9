import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { cacheDirectory, cachedDirectory, markUsed, present, prune, replaceFile } from '../host/cache.ts'
import { execute, findProgram, ProvisionError } from '../host/process.ts'
import { type AptSource, debianSources, otherSuites, parseDeb822, parseOneLine, printDeb822 } from './sources.ts'

/** Called for steps that take time: downloads, unpacking, building. One sentence without a full stop. */
export type Progress = (message: string) => void

/** Age in milliseconds after which the package lists are fetched again. */
const LISTS_AGE = 24 * 60 * 60 * 1000

/** Milliseconds an unpacked package stays in the cache after its last use. */
const PACKAGE_AGE = 30 * 24 * 60 * 60 * 1000

/** Seconds to wait for another process of ours that is using the same apt state. */
const LOCK_TIMEOUT = 600

/** An unpacked package in the cache. */
export interface UnpackedPackage {
  readonly name: string
  readonly version: string
  /** Directory of the host with the package's files, laid out as from '/'. */
  readonly directory: string
}

export interface MirrorOptions {
  readonly progress?: Progress | undefined
  /** Check the mirror now, even if its package lists are less than a day old. */
  readonly refresh?: boolean
  /** Suites to search in place of the machine's own: ['trixie-backports']. Their lists and the machine's stay apart. */
  readonly suites?: readonly string[]
  /** Debian's name of the packages' architecture: 'arm64'. Default: the machine's own. */
  readonly architecture?: string
}

/** A file of a package on the host: `bin/x` may lie in usr/bin, where later suites keep it. @throws ProvisionError */
export async function packageFile(directory: string, path: string): Promise<string> {
  for (const file of [join(directory, path), join(directory, 'usr', path)]) if (await present(file)) return file
  throw new ProvisionError(`${basename(directory)} holds no ${path}`)
}

/**
 * The Debian mirror this machine uses, through a private apt: own lists, own cache, an empty dpkg status, never as root,
 * and nothing of the machine's own apt or dpkg state is read or changed but its sources, proxies and keys.
 */
export class DebianMirror {
  readonly #directory: string
  readonly #progress: Progress
  readonly #suites: readonly string[] | undefined
  readonly #architecture: string | undefined

  private constructor({ progress, suites, architecture }: MirrorOptions) {
    const name = ['apt', ...(suites ?? []), ...(architecture === undefined ? [] : [architecture])].join('-')
    this.#directory = join(cacheDirectory(), name)
    this.#progress = progress ?? (() => {})
    this.#suites = suites
    this.#architecture = architecture
  }

  /**
   * Opens the mirror; fetches its package lists when they are missing or a day old. Offline, old lists do.
   * @throws ProvisionError where there is no apt, no Debian source, no such suite, or no list at all.
   */
  static async open(options: MirrorOptions = {}): Promise<DebianMirror> {
    for (const program of ['apt-get', 'apt-cache', 'dpkg-deb', 'flock']) {
      if (findProgram(program)) continue
      throw new ProvisionError(`kernels and packages are provisioned from a Debian mirror, and ${program} is missing`, {
        hint: 'Run this on Debian, or give buildGuest kernels of your own and no packages.',
      })
    }
    const mirror = new DebianMirror(options)
    const sourcesChanged = await mirror.#configure()
    await mirror.#refresh((options.refresh ?? false) || sourcesChanged)
    await prune(join(cacheDirectory(), 'packages'), 0, PACKAGE_AGE)
    return mirror
  }

  /** Names of the packages the mirror has, by prefix. */
  async packageNames(prefix: string): Promise<string[]> {
    return (await this.#ask('apt-cache', ['pkgnames', prefix])).split('\n').filter((name) => name !== '')
  }

  /** Names in the Depends and Pre-Depends of a package, alternatives included. */
  async dependencies(name: string): Promise<string[]> {
    const record = await this.#ask('apt-cache', ['show', '--no-all-versions', name])
    const fields = [...record.matchAll(/^(?:Pre-)?Depends:(.*)$/gm)].map((match) => match[1] ?? '')
    return fields.flatMap((field) => field.split(/[,|]/).map((part) => part.trim().split(/[\s:(]/)[0] ?? ''))
  }

  /**
   * The packages, downloaded and unpacked unless they are in the cache. No maintainer script runs.
   * @param options.dependencies include all their dependencies; Recommends never.
   */
  async fetch(names: readonly string[], options: { dependencies: boolean }): Promise<UnpackedPackage[]> {
    const action = options.dependencies ? ['install', '--yes', '--download-only'] : ['download']
    try {
      return await this.#fetch([...action, ...names])
    } catch (error) {
      // Old lists name files that a mirror no longer has: look again, once.
      if (!(error instanceof ProvisionError) || !/404|Failed to fetch|Unable to fetch/.test(error.message)) throw error
      await this.#refresh(true)
      return this.#fetch([...action, ...names])
    }
  }

  async #fetch(command: string[]): Promise<UnpackedPackage[]> {
    // An empty directory of its own: apt's answer leaves out packages that are already in its archives or in the
    // working directory.
    const archives = await mkdtemp(join(this.#directory, 'download-'))
    try {
      await mkdir(join(archives, 'partial'))
      const packages = await this.#whatToFetch(command, archives)
      const missing: typeof packages = []
      for (const entry of packages) {
        if (await present(entry.directory)) await markUsed(entry.directory)
        else missing.push(entry)
      }
      if (missing.length > 0) {
        const megabytes = (missing.reduce((sum, { size }) => sum + size, 0) / 1e6).toFixed(1)
        this.#progress(
          `downloading ${missing.length === 1 ? missing[0]?.name : `${missing.length} packages`} (${megabytes} MB)`,
        )
        await this.#apt('apt-get', ['-qq', ...command], archives)
      }
      for (const { file, directory } of missing) {
        const unpack = (into: string) => execute('dpkg-deb', ['--extract', join(archives, file), into])
        await cachedDirectory(directory, async (unfinished) => void (await unpack(unfinished)))
      }
      return packages
    } finally {
      await rm(archives, { recursive: true, force: true })
    }
  }

  async #whatToFetch(
    command: string[],
    archives: string,
  ): Promise<(UnpackedPackage & { file: string; size: number })[]> {
    const uris = await this.#ask('apt-get', ['-qq', '--print-uris', ...command], archives)
    return [...uris.matchAll(/^'[^']+' (\S+\.deb) (\d+)/gm)].map(([, file = '', size]) => {
      const identity = file.slice(0, -'.deb'.length)
      const [name = '', version = ''] = decodeURIComponent(identity).split('_')
      return { name, version, directory: join(cacheDirectory(), 'packages', identity), file, size: Number(size) }
    })
  }

  /**
   * @returns whether the machine's sources have changed since the lists were fetched.
   */
  async #configure(): Promise<boolean> {
    const directory = this.#directory
    const parts = join(directory, 'sources.list.d')
    for (const path of [
      parts,
      join(directory, 'state', 'lists', 'partial'),
      join(directory, 'cache', 'archives', 'partial'),
    ]) {
      await mkdir(path, { recursive: true })
    }
    const architecture = this.#architecture ?? (await execute('dpkg', ['--print-architecture'])).toString().trim()
    await replaceFile(join(directory, 'status'), '')
    await replaceFile(join(directory, 'apt.conf'), configuration(directory, architecture))
    const own = await machineSources()
    const chosen = this.#suites === undefined ? own : otherSuites(own, this.#suites)
    if (chosen.length === 0)
      throw new ProvisionError(`no apt source of this machine can serve ${this.#suites?.join(' ')}`)
    const sources = printDeb822(chosen)
    const before = await readFile(join(parts, 'debian.sources'), 'utf8').catch(() => sources)
    await replaceFile(join(parts, 'debian.sources'), sources)
    return sources !== before
  }

  async #refresh(force: boolean): Promise<void> {
    const stamp = join(this.#directory, 'refreshed')
    const age = await stat(stamp).then(
      (stats) => Date.now() - stats.mtimeMs,
      () => undefined,
    )
    if (!force && age !== undefined && age < LISTS_AGE) return
    const what = [this.#suites?.join(' '), this.#architecture].filter((word) => word !== undefined).join(' for ')
    this.#progress(`fetching the Debian mirror's package lists${what === '' ? '' : ` of ${what}`}`)
    try {
      await this.#apt('apt-get', ['-qq', '-o', 'APT::Update::Error-Mode=any', 'update'])
      await replaceFile(stamp, '')
      await prune(join(this.#directory, 'answers'), 0, LISTS_AGE)
    } catch (error) {
      if (age === undefined) throw error
      this.#progress(`the mirror cannot be reached; going on with package lists ${Math.round(age / 3_600_000)} h old`)
    }
  }

  /**
   * What an apt program tells of the package lists. It takes a third of a second to read them, each guest asks ten times, and the
   * answer is the same until they are fetched again, so answers are kept.
   */
  async #ask(program: string, args: readonly string[], archives?: string): Promise<string> {
    const { mtimeMs } = await stat(join(this.#directory, 'refreshed'))
    const question = createHash('sha256')
      .update(JSON.stringify([mtimeMs, program, ...args]))
      .digest('hex')
    const file = join(this.#directory, 'answers', question)
    const known = await readFile(file, 'utf8').catch(() => undefined)
    if (known !== undefined) return known
    const answer = await this.#apt(program, args, archives)
    await mkdir(dirname(file), { recursive: true })
    await replaceFile(file, answer)
    return answer
  }

  /**
   * Runs an apt program on the private state, one at a time: apt itself gives up at once when another process holds its
   * lock.
   */
  async #apt(program: string, args: readonly string[], archives?: string): Promise<string> {
    const lock = ['--wait', String(LOCK_TIMEOUT), join(this.#directory, 'lock')]
    const own = archives === undefined ? [] : ['-o', `Dir::Cache::archives=${archives}`]
    const command = [...lock, program, `--config-file=${join(this.#directory, 'apt.conf')}`, ...own, ...args]
    const env = { ...process.env, LC_ALL: 'C.UTF-8', DEBIAN_FRONTEND: 'noninteractive' }
    return (await execute('flock', command, { env, cwd: archives ?? this.#directory })).toString()
  }
}

/** apt reads this after the machine's own configuration, whose proxies and credentials stay in force. */
function configuration(directory: string, architecture: string): string {
  return `Dir::State "${join(directory, 'state')}";
Dir::State::status "${join(directory, 'status')}";
Dir::Cache "${join(directory, 'cache')}";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "${join(directory, 'sources.list.d')}";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
// Hooks of the machine would act on the machine.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
#clear APT::Architectures;
APT::Architecture "${architecture}";
APT::Architectures { "${architecture}"; };
APT::Default-Release "";
APT::Install-Recommends "false";
APT::Install-Suggests "false";
// The cache belongs to whoever runs this, so the user _apt could not write to it.
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons-small::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons-large::DefaultEnabled "false";
`
}

async function machineSources(): Promise<AptSource[]> {
  const osRelease = await readFile('/etc/os-release', 'utf8').catch(() => '')
  const codename = /^VERSION_CODENAME="?([a-z]+)/m.exec(osRelease)?.[1] ?? 'stable'
  const found: AptSource[] = []
  const directory = '/etc/apt/sources.list.d'
  for (const file of [
    '/etc/apt/sources.list',
    ...(await readdir(directory).catch(() => [])).map((name) => join(directory, name)),
  ]) {
    const parse = file.endsWith('.sources') ? parseDeb822 : file.endsWith('.list') ? parseOneLine : undefined
    if (parse) found.push(...parse(await readFile(file, 'utf8').catch(() => '')))
  }
  const debian = debianSources(found, codename)
  if (debian.length > 0) return debian
  throw new ProvisionError(`no apt source of this machine serves Debian ${codename}`, {
    hint: 'The harness reads /etc/apt/sources.list and /etc/apt/sources.list.d; add a Debian mirror there.',
  })
}
