import type { BootEntry } from '../entries/entry.ts'
import { KexecError } from '../errors.ts'
import {
  type ByteSource,
  HEAD_BYTES,
  type ImageInput,
  inspectImage,
  type KernelImage,
  type OpenImage,
  openInput,
} from '../image/index.ts'
import { gatherOverlays, type Overlay, type OverlayItem, parseOverlay } from '../initrd/index.ts'
import type { System } from '../system/system.ts'
import type { Findings } from './decision.ts'
import { ownParts, type PlannedKernel, partName, partSource } from './kernel.ts'
import type { PlanOptions } from './options.ts'
import { absolute, nameOf, type Target } from './target.ts'
import { formatBytes } from './text.ts'

/** One of the archives that the initrd is joined of. */
export interface PlannedInitrd {
  /** Its path; of one that the kernel's file brings, that path, a colon and the part's name. */
  readonly path: string
  readonly size: number
  readonly image: KernelImage | null
  /** The open file, or null where it is a part of the kernel's. */
  readonly file: OpenImage | null
  /** Its bytes as they lie there; null where something has to be unpacked to come to them. */
  readonly source: ByteSource | null
}

/** What was chosen, also where it cannot be opened. */
export interface InitrdChoice {
  readonly paths: readonly string[]
  /** Those that could be opened. */
  readonly initrds: readonly PlannedInitrd[]
  /** Whether the image's own are among them. */
  readonly withOwn: boolean
  /** What is added to them. */
  readonly overlay: readonly OverlayItem[]
}

/**
 * Chooses the initrds and opens them: those given, else the image's own (microcode first) and then the entry's. One that
 * cannot be opened becomes a refusal.
 */
export async function chooseInitrds(
  system: System,
  options: PlanOptions,
  target: Target,
  kernel: PlannedKernel,
  findings: Findings,
): Promise<InitrdChoice> {
  const choice = await chooseArchives(system, options, target, kernel, findings)
  return { ...choice, overlay: chooseOverlay(system, options, findings) }
}

type Archives = Omit<InitrdChoice, 'overlay'>

async function chooseArchives(
  system: System,
  options: PlanOptions,
  { entry, sibling }: Target,
  kernel: PlannedKernel,
  findings: Findings,
): Promise<Archives> {
  const given = options.initrds ?? []
  if (options.noInitrd && given.length > 0) {
    throw new KexecError('--initrd and --no-initrd exclude each other', { reason: 'invalid-argument', refused: true })
  }
  if (options.noInitrd) {
    findings.decide('initrd', 'none', 'asked for with --no-initrd')
    return { paths: [], initrds: [], withOwn: false }
  }
  const own = ownInitrds(kernel)
  if (given.length > 0) {
    const others = [...(own.length > 0 ? ["the image's"] : []), ...(entry?.initrds.length ? ["the entry's"] : [])]
    const instead = others.length > 0 ? `, in place of ${others.join(' and ')} own` : ''
    findings.decide('initrd', given.map(nameOf).join(', '), `given with --initrd${instead}`)
    return {
      ...(await openAll(
        system,
        given.map((input) => located(system, input)),
        findings,
        options.signal,
      )),
      withOwn: false,
    }
  }
  const ofEntry = entry?.initrds ?? []
  const opened = await openAll(system, ofEntry, findings, options.signal)
  const choice = {
    paths: [...own.map(({ path }) => path), ...opened.paths],
    initrds: [...own, ...opened.initrds],
    withOwn: own.length > 0,
  }
  decide(choice, ofEntry.length, findings)
  if (choice.paths.length === 0 && sibling !== null && sibling.initrds.length > 0) {
    // kexec(8) loads what is named and nothing else.
    if (options.exactCommandLine === undefined) findings.refuse(withoutItsInitrd(kernel, sibling))
    else findings.warn(`no initrd was named, but ${sibling.initrds.join(' and ')} belongs to this kernel`)
  }
  return choice
}

/** Nobody installs a kernel with an initrd to boot it without: whoever means it says so. */
function withoutItsInitrd({ file }: PlannedKernel, { id, initrds }: BootEntry): KexecError {
  const named = initrds.map((path) => `--initrd ${path}`).join(' ')
  return new KexecError(`this is the kernel of the entry '${id}', and no initrd was named with it`, {
    reason: 'no-initrd',
    path: file.path,
    hint: `Load the entry with its initrd: linux-kexec load '${id}'. Or add ${named}, or --no-initrd to load it without one.`,
    refused: true,
  })
}

function chooseOverlay(system: System, { overlay = [] }: PlanOptions, findings: Findings): readonly OverlayItem[] {
  if (overlay.length === 0) return []
  const located = overlay.map((each) => locatedOverlay(system, each))
  const items = gatherOverlays(system, located, (refusal) => findings.refuse(refusal))
  const size = items.reduce((sum, { content }) => sum + content.size, 0)
  const shown = items.slice(0, 3).map(({ path }) => path)
  const more = items.length > shown.length ? ` and ${items.length - shown.length} more` : ''
  const choice = `${shown.join(', ')}${more}, ${formatBytes(size)}`
  findings.decide('overlay', choice, 'given with --overlay, laid over the initrd in memory')
  return items
}

function locatedOverlay(system: System, overlay: Overlay | string): Overlay {
  const isThere = (path: string) => system.exists(absolute(system, path))
  const { source, ...rest } = typeof overlay === 'string' ? parseOverlay(overlay, isThere) : overlay
  return { ...rest, source: typeof source === 'string' ? absolute(system, source) : source }
}

function decide({ paths, withOwn }: Archives, ofEntry: number, findings: Findings): void {
  const [subject, owners] = [paths.length > 1 ? 'they belong' : 'it belongs', withOwn ? 'image' : 'entry']
  const whose = withOwn && ofEntry > 0 ? "the image's own, then the entry's" : `${subject} to the ${owners}`
  if (paths.length === 0) findings.decide('initrd', 'none', 'none was found or named')
  else findings.decide('initrd', paths.join(', '), whose)
}

function ownInitrds(kernel: PlannedKernel): PlannedInitrd[] {
  if (kernel.unified !== null) {
    return kernel.unified.initrds.map(({ name, source }) => ({
      path: name,
      size: source.size,
      image: inspectImage(source.read(0, HEAD_BYTES), source.size),
      file: null,
      source,
    }))
  }
  return ownParts(kernel, 'microcode', 'initrd').map((part) => {
    const source = partSource(kernel, part)
    const image = source === undefined ? null : inspectImage(source.read(0, HEAD_BYTES), source.size)
    return { path: partName(kernel, part), size: part.length, image, file: null, source: source ?? null }
  })
}

function located(system: System, input: ImageInput): ImageInput {
  return typeof input === 'string' ? absolute(system, input) : input
}

async function openAll(
  system: System,
  inputs: readonly ImageInput[],
  findings: Findings,
  signal: AbortSignal | undefined,
): Promise<Pick<Archives, 'paths' | 'initrds'>> {
  const paths: string[] = []
  const initrds: PlannedInitrd[] = []
  try {
    for (const input of inputs) {
      paths.push(nameOf(input))
      try {
        const file = await openInput(system, input, { name: 'initrd', signal })
        initrds.push({ path: file.path, size: file.size, image: file.image, file, source: file.source })
      } catch (error) {
        if (!(error instanceof KexecError) || error.reason === 'aborted') throw error
        findings.refuse(error)
      }
    }
  } catch (error) {
    for (const { file } of initrds) file?.close()
    throw error
  }
  return { paths, initrds }
}
