import { closeSync, type Stats } from 'node:fs'
import { fileType, type System } from '../../system/system.ts'
import { Budget } from '../model/budget.ts'
import type { BootProblem } from '../model/problem.ts'
import { HEAD_BYTES, type IdentifyKernel, type Identity, S390_HEAD_BYTES } from '../names/identify.ts'
import { Volumes } from './volumes.ts'

/** A kernel file as found. */
export interface KernelFile {
  readonly version: string | null
  readonly architecture: string | null
  /** Its faults; empty for a readable kernel. */
  readonly problems: readonly BootProblem[]
}

/** Steps to open a file, besides those of its path. */
const FILE = 10
/** Steps to identify a kernel file: 36 KiB are read, and may be unpacked. */
const KERNEL = 200

/** The files of a system, each read once and within the budget of one discovery. */
export class SystemFiles {
  readonly system: System
  /** The file systems, and the places of boot loaders' paths. */
  readonly volumes: Volumes
  /** The limits: every reader draws from it. */
  readonly budget: Budget
  private readonly identify: IdentifyKernel
  private readonly resolved = new Map<string, string | undefined>()
  private readonly kernelFiles = new Map<string, KernelFile>()
  private readonly initrdFiles = new Map<string, BootProblem[]>()
  private paidLooks = 0

  constructor(system: System, identify: IdentifyKernel, budget = new Budget()) {
    this.system = system
    this.budget = budget
    this.volumes = new Volumes(system, budget)
    this.identify = identify
  }

  /**
   * The directories that hold kernels: /boot, and the top, where the root is a boot partition. A boot partition often
   * has a link `boot -> .`; its files are then named from the top.
   */
  get bootDirectories(): string[] {
    return this.resolve('/boot') === '/' ? ['/'] : ['/boot', '/']
  }

  /** As `system.readText`, and undefined when the budget is used up. */
  readText(path: string): string | undefined {
    const { budget, system } = this
    if (!this.pay(FILE) || !budget.has('characters')) return undefined
    const text = system.readText(path)
    return text === undefined || budget.take('characters', text.length) ? text : undefined
  }

  /** As `system.readTexts`, as many as the budget allows. */
  *readTexts(path: string, isWanted: (name: string) => boolean): Generator<[name: string, text: string | undefined]> {
    const { budget, system } = this
    for (const [name, text] of system.readTexts(path, isWanted)) {
      if (!this.pay(FILE) || !budget.take('characters', text?.length ?? 0)) return
      yield [name, text]
    }
  }

  /** Takes steps, and those of the paths since the last call. @returns whether the budget allows them */
  pay(steps: number): boolean {
    const looks = this.system.looks - this.paidLooks
    this.paidLooks = this.system.looks
    return this.budget.take('steps', steps + looks)
  }

  /** Reads the head of a kernel file and identifies it. Never throws. */
  kernelFile(path: string): KernelFile {
    return remembered(this.kernelFiles, path, () => this.examineKernel(path))
  }

  private examineKernel(path: string): KernelFile {
    const nothing = { version: null, architecture: null }
    if (!this.pay(KERNEL)) return { ...nothing, problems: [{ code: 'left-out', text: `${path} ${notLookedAt}` }] }
    const { stats, problem } = this.file(path, 'kernel')
    if (stats === undefined) return { ...nothing, problems: [problem] }
    try {
      const identity = this.identifyFile(path, stats.size)
      const { version, architecture, bootable } = identity
      return {
        version,
        architecture,
        problems: bootable ? [] : [{ code: 'not-a-kernel', text: notBootable(path, identity) }],
      }
    } catch (error) {
      return { ...nothing, problems: [{ code: 'unreadable-kernel', text: unreadable(path, error) }] }
    }
  }

  /** Only an unidentified file gets a second look. */
  private identifyFile(path: string, size: number): Identity {
    const identity = this.identify(this.system.readHead(path, HEAD_BYTES), size)
    const isKnown = identity.bootable || identity.architecture !== null
    return isKnown || size < S390_HEAD_BYTES
      ? identity
      : this.identify(this.system.readHead(path, S390_HEAD_BYTES), size)
  }

  /** The obstacle to loading a file as an initrd, as a list of at most one. Never throws. */
  initrdProblems(path: string): BootProblem[] {
    return remembered(this.initrdFiles, path, () => this.examineInitrd(path))
  }

  private examineInitrd(path: string): BootProblem[] {
    if (!this.pay(FILE)) return [{ code: 'left-out', text: `${path} ${notLookedAt}` }]
    const { stats, problem } = this.file(path, 'initrd')
    if (stats === undefined) return [problem]
    try {
      closeSync(this.system.open(path))
      return []
    } catch (error) {
      return [{ code: 'unreadable-initrd', text: unreadable(path, error) }]
    }
  }

  /** The target of links, or undefined when there is none. */
  resolve(path: string): string | undefined {
    if (!this.resolved.has(path)) {
      this.pay(1)
      this.resolved.set(path, this.follow(path))
    }
    return this.resolved.get(path)
  }

  private follow(path: string): string | undefined {
    try {
      return this.system.resolve(path)
    } catch {
      return undefined
    }
  }

  private file(
    path: string,
    kind: 'kernel' | 'initrd',
  ): { stats: Stats; problem?: never } | { stats?: never; problem: BootProblem } {
    const stats = this.system.stat(path)
    if (stats === undefined) return { problem: this.absence(path, kind) }
    if (!stats.isFile())
      return { problem: { code: `unreadable-${kind}`, text: `${path} is a ${fileType(stats)}, not a file.` } }
    if (stats.size === 0) return { problem: { code: `unreadable-${kind}`, text: `${path} is empty.` } }
    return { stats }
  }

  private absence(path: string, kind: 'kernel' | 'initrd'): BootProblem {
    const missing = (text: string): BootProblem => ({ code: `missing-${kind}`, text })
    const unmounted = /^\(([^)]+)\)(.*)$/.exec(path)
    // GRUB's names of disks are not names of this system.
    if (unmounted !== null && /^hd\d/.test(unmounted[1] as string))
      return missing(`${unmounted[2]} is on (${unmounted[1]}), which is not one of the file systems mounted here.`)
    if (unmounted !== null) return missing(`${unmounted[2]} is on ${unmounted[1]}, which is not mounted.`)
    try {
      this.system.resolve(path)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ELOOP') return missing(`${path} is a link that leads back to itself.`)
      if (code !== 'ENOENT' && code !== 'ENOTDIR') return { code: `unreadable-${kind}`, text: unreadable(path, error) }
    }
    if (!this.system.exists(path)) return missing(`${path} does not exist.`)
    const where = this.system.isLive ? '' : ' in this root'
    return missing(`${path} is a link to a file that does not exist${where}.`)
  }
}

const notLookedAt = 'is not looked at: there is more to read here than any machine needs.'

function notBootable(path: string, { description, problems = [] }: Identity): string {
  if (problems.length === 0) return `${path} is ${description}, not a kernel.`
  return `${path} is ${description}, but ${problems.join('; ')}.`
}

/** Many entries share a kernel or an initrd, so each file is read once. */
function remembered<Value>(known: Map<string, Value>, path: string, look: () => Value): Value {
  let value = known.get(path)
  if (value === undefined) {
    value = look()
    known.set(path, value)
  }
  return value
}

function unreadable(path: string, error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'EACCES' || code === 'EPERM') return `${path} cannot be read without root privileges (${code}).`
  return `${path} cannot be read (${code ?? message}).`
}
