import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { usesFiveLevels } from '../../plan/context/paging.ts'
import { readRunningMachine } from '../../plan/context/running-machine.ts'
import { directoryHash } from '../../rehearsal/guest/directory-hash.ts'
import { toolHash } from '../../rehearsal/guest/loading-initrd.ts'
import { shellSource } from '../../rehearsal/guest/shell.ts'
import type { ToolVersions } from '../../rehearsal/machine/own-machine.ts'
import { System } from '../../system/system.ts'
import { unreadable } from '../definition/read.ts'
import type { MatrixCell } from '../model/cell.ts'

/** Raised when a key is made of other things: results of before are not taken over then. */
const FORMAT = 1

/**
 * Hashes what cells depend on: the bytes of every file, the options, and the tools. Files are read again only when they changed
 * since.
 */
export class CellKeys {
  readonly #tools: ToolVersions
  readonly #toolHash: string
  readonly #hasFiveLevels: boolean
  readonly #files = new Map<string, { readonly identity: string; readonly sha256: string }>()

  private constructor(tools: ToolVersions, hash: string, hasFiveLevels: boolean) {
    this.#tools = tools
    this.#toolHash = hash
    this.#hasFiveLevels = hasFiveLevels
  }

  /** @param system the running machine: the processor that is rehearsed has as many levels of page tables as its kernel uses */
  static async of(tools: ToolVersions, system = new System()): Promise<CellKeys> {
    return new CellKeys(tools, await toolHash(), usesFiveLevels(readRunningMachine(system)))
  }

  /** @throws KexecError 'not-found', 'not-readable' or 'io' for a file of the cell */
  async keyOf({ from, to, engine, settings }: MatrixCell): Promise<string> {
    const { overlay = [], rootImage, ...options } = settings
    const overlays: unknown[] = []
    for (const { source, destination, mode } of overlay)
      overlays.push([destination ?? source, mode ?? null, await this.#hashOf(source as string)])
    const initrds: string[] = []
    for (const path of to.initrds) initrds.push(await this.#hashOf(path))
    const image = rootImage === undefined ? null : await this.#hashOf(rootImage)
    // An initrd without a shell gets this machine's.
    const shell = options.init === undefined ? null : await this.#hashOf(shellSource()).catch(() => null)
    const files = [await this.#hashOf(from.kernel), await this.#hashOf(to.kernel), initrds, overlays, image, shell]
    const sorted = Object.entries(options).sort(([one], [other]) => (one < other ? -1 : 1))
    const all = [FORMAT, this.#toolHash, this.#tools.qemu, this.#hasFiveLevels, engine, sorted, files]
    return createHash('sha256').update(JSON.stringify(all)).digest('hex')
  }

  async #hashOf(path: string): Promise<string> {
    try {
      const stats = await stat(path, { bigint: true })
      if (stats.isDirectory()) return await directoryHash(path)
      const identity = [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs, stats.mode].join(' ')
      const known = this.#files.get(path)
      if (known?.identity === identity) return known.sha256
      const sha256 = `${(stats.mode & 0o7777n).toString(8)} ${await fileHash(path)}`
      this.#files.set(path, { identity, sha256 })
      return sha256
    } catch (cause) {
      throw unreadable(path, cause as NodeJS.ErrnoException)
    }
  }
}

async function fileHash(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
