import { join } from 'node:path'
import { callback, checkOptions, flag, type OptionKinds, oneOf, positiveNumber } from '../../options.ts'
import { present } from '../host/cache.ts'
import { ProvisionError } from '../host/process.ts'
import { type Architecture, type ArchitectureName, architectures, mirrorOptions } from '../machine/architectures.ts'
import { DebianMirror, type Progress } from './debian.ts'
import { compareDebianVersions } from './versions.ts'

/** A kernel as files of the host. From a mirror, or your own build: then only `release` and `image` are needed. */
export interface Kernel {
  /** What `uname -r` prints under it. */
  readonly release: string
  /** In the package's form: a bzImage, on machines other than amd64 an Image, possibly compressed. */
  readonly image: string
  /** Its .config. */
  readonly config?: string
  /** Its lib/modules/RELEASE directory. Without one, virtio_pci and virtio_blk must be built in. */
  readonly modules?: string
}

export interface NewestKernelsOptions {
  /** Debian's name of their machines. Default: 'amd64'. */
  readonly architecture?: ArchitectureName
  /** How many, default 2. */
  readonly count?: number
  /** 'cloud' (default; small, boots fast) or 'standard', the kernel of an ordinary Debian machine. */
  readonly flavour?: 'cloud' | 'standard'
  readonly progress?: Progress
  /** Check the mirror now, even if its package lists are less than a day old. */
  readonly refresh?: boolean
}

const kinds: OptionKinds<NewestKernelsOptions> = {
  architecture: oneOf(...Object.keys(architectures)),
  count: positiveNumber,
  flavour: oneOf('cloud', 'standard'),
  progress: callback,
  refresh: flag,
}

/** Where to look for kernels when the machine's own release has too few: sid has one. */
const furtherSuites = ['testing', 'stable']

/**
 * The newest signed Debian kernels of the machine's own suite (security included), found by search: the newest of each
 * of the newest upstream series (6.12, 6.1, …); where there are fewer series than requested, the next newest of any.
 * Testing and stable supplement a suite with fewer kernels (sid).
 * Downloaded once and cached.
 * @returns oldest first, so that the last one is what an upgrade would boot.
 * @throws ProvisionError when the mirror has fewer, or cannot be reached and nothing is cached.
 */
export async function newestKernels(given?: NewestKernelsOptions): Promise<Kernel[]> {
  const options = checkOptions('newestKernels()', given, kinds)
  const { count = 2, flavour = 'cloud', progress, refresh = false } = options
  const architecture: Architecture = architectures[options.architecture ?? 'amd64']
  const suffix = `-${architecture.flavours[flavour]}`
  const found = new Map<string, DebianMirror>()
  const lookIn = async (suites?: readonly string[]) => {
    const mirror = await DebianMirror.open({ progress, refresh, ...mirrorOptions(architecture, suites) })
    for (const version of await versionsOf(mirror, suffix)) if (!found.has(version)) found.set(version, mirror)
  }
  await lookIn()
  for (const suite of found.size < count ? furtherSuites : []) await lookIn([suite])
  const chosen = newestOfEachSeries([...found.keys()].sort(compareDebianVersions), count)
  if (chosen.length < count)
    throw new ProvisionError(
      `${count} kernels linux-image-…${suffix} are wanted, and the Debian mirror has ${found.size}`,
    )
  const kernels: Kernel[] = []
  for (const version of chosen) kernels.push(await fetchKernel(found.get(version) as DebianMirror, version + suffix))
  return kernels
}

export interface SeriesOptions {
  /**
   * Suites to search, all of them: ['bookworm', 'bookworm-backports', 'unstable']. An unavailable one counts as empty.
   */
  readonly suites: readonly string[]
  /** Default: 'cloud'. */
  readonly flavour?: 'cloud' | 'standard'
  /** Default: 'amd64'. */
  readonly architecture?: ArchitectureName
  readonly progress?: Progress
}

/**
 * The newest Debian kernel of each of these upstream series, from any suite that has it. Downloaded once and cached.
 * @param series such as ['6.1', '6.12']
 * @returns by series, in the requested order. A series that no suite has is left out.
 */
export async function newestOfSeries(series: readonly string[], options: SeriesOptions): Promise<Map<string, Kernel>> {
  const { suites, flavour = 'cloud', progress = () => {} } = options
  const architecture: Architecture = architectures[options.architecture ?? 'amd64']
  const suffix = `-${architecture.flavours[flavour]}`
  const found = new Map<string, DebianMirror>()
  for (const suite of suites) {
    try {
      const mirror = await DebianMirror.open({ progress, ...mirrorOptions(architecture, [suite]) })
      for (const version of await versionsOf(mirror, suffix)) found.set(version, mirror)
    } catch (error) {
      if (!(error instanceof ProvisionError)) throw error
      progress(`the Debian mirror has no ${suite}: ${error.message.split('\n', 1)[0]}`)
    }
  }
  const sorted = [...found.keys()].sort(compareDebianVersions)
  const kernels = new Map<string, Kernel>()
  for (const wanted of series) {
    const version = sorted.findLast((each) => seriesOf(each) === wanted)
    const mirror = found.get(version ?? '')
    if (mirror) kernels.set(wanted, await fetchKernel(mirror, version + suffix))
  }
  return kernels
}

/** The versions, as they stand in package names, of the kernels whose names end in `suffix`; in no order. */
async function versionsOf(mirror: DebianMirror, suffix: string): Promise<string[]> {
  const pattern = /^linux-image-(\d+\.\d+(?:\.\d[^-]*)?(?:-\d[^-]*)?)$/
  const names = await mirror.packageNames('linux-image-')
  return names.flatMap((name) => {
    const version = name.endsWith(suffix) ? pattern.exec(name.slice(0, -suffix.length))?.[1] : undefined
    return version ?? []
  })
}

/**
 * Chooses `count` versions: one of each upstream series, the newest series first; then the next newest of any.
 * @param ascending versions, oldest first; the choice has the same order.
 */
export function newestOfEachSeries(ascending: readonly string[], count: number): string[] {
  const newestFirst = [...ascending].reverse()
  const leaders = newestFirst.filter(
    (version, index) => newestFirst.findIndex((other) => seriesOf(other) === seriesOf(version)) === index,
  )
  const others = newestFirst.filter((version) => !leaders.includes(version))
  const chosen = new Set([...leaders, ...others].slice(0, count))
  return ascending.filter((version) => chosen.has(version))
}

/** '6.12' of '6.12.95+deb12'. */
function seriesOf(version: string): string | undefined {
  return /^\d+\.\d+/.exec(version)?.[0]
}

/**
 * The newest Debian kernel of another architecture, without its modules: for inspection, not for running.
 * @param options.flavour the name in its package's name: 'cloud-arm64', 'armmp', 's390x'
 * @throws ProvisionError when the suite has none
 */
export async function foreignKernel(options: {
  readonly architecture: string
  readonly flavour: string
  readonly suite: string
  readonly progress?: Progress
}): Promise<Kernel> {
  const { architecture, flavour, suite, progress } = options
  const mirror = await DebianMirror.open({ progress, suites: [suite], architecture })
  const version = (await versionsOf(mirror, `-${flavour}`)).sort(compareDebianVersions).at(-1)
  if (version === undefined) throw new ProvisionError(`Debian ${suite} has no kernel ${flavour} for ${architecture}`)
  return fetchKernel(mirror, `${version}-${flavour}`, { modules: false })
}

async function fetchKernel(mirror: DebianMirror, release: string, { modules = true } = {}): Promise<Kernel> {
  const names = [`linux-image-${release}`]
  // From 7.x on the image package is a shell around linux-binary-V, linux-base-V and linux-modules-V.
  const parts = modules ? /^linux-(binary|base|modules)-/ : /^linux-binary-/
  for (const name of await mirror.dependencies(names[0] as string)) {
    if (name.endsWith(`-${release}`) && parts.test(name)) names.push(name)
  }
  const directories = (await mirror.fetch(names, { dependencies: false })).map(({ directory }) => directory)
  const find = async (...paths: string[]) => {
    for (const path of paths.flatMap((path) => directories.map((directory) => join(directory, path)))) {
      if (await present(path)) return path
    }
    return undefined
  }
  const modulesDirectories = [`lib/modules/${release}`, `usr/lib/modules/${release}`]
  // POWER has no boot wrapper in Debian: its kernel is an ELF file.
  const image = await find(
    ...['vmlinuz', 'vmlinux'].flatMap((name) => [
      `boot/${name}-${release}`,
      ...modulesDirectories.map((directory) => `${directory}/${name}`),
    ]),
  )
  const config = await find(`boot/config-${release}`, ...modulesDirectories.map((directory) => `${directory}/config`))
  const drivers = await find(...modulesDirectories.map((directory) => `${directory}/kernel`))
  if (image === undefined)
    throw new ProvisionError(`the packages of kernel ${release} hold no kernel: ${names.join(', ')}`)
  return {
    release,
    image,
    ...(config !== undefined && { config }),
    ...(drivers !== undefined && { modules: join(drivers, '..') }),
  }
}
