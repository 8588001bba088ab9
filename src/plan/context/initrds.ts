import { throwIfAborted } from '../../abort.ts'
import type { ByteSource } from '../../bytes/bytes.ts'
import type { BootEntry } from '../../entries/model/entry.ts'
import { KexecError } from '../../errors.ts'
import { HEAD_BYTES, inspectImage } from '../../image/formats/inspect.ts'
import { type ImageInput, type OpenImage, openInput } from '../../image/inspect/open.ts'
import type { KernelImage } from '../../image/model/image.ts'
import type { LocatedPart } from '../../image/unpack/nested.ts'
import { MAX_BOOTCONFIG } from '../../initrd/bootconfig.ts'
import { gatherOverlays, type Overlay, type OverlayItem } from '../../initrd/overlay.ts'
import { parseOverlay } from '../../initrd/overlay-option.ts'
import { unwrapInitrd } from '../../initrd/wrapped.ts'
import type { System } from '../../system/system.ts'
import { formatBytes } from '../../text.ts'
import type { Findings } from '../model/decision.ts'
import type { PlanOptions } from '../model/options.ts'
import { bootconfigOf, ownParts, type PlannedKernel, partName, partSource } from './kernel.ts'
import { absolute, nameOf, type Target } from './target.ts'

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
  /** Whether the file holds more than the initrd, and so is not loaded as it is. */
  readonly isWrapped?: boolean
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
  /** What goes behind all of them; null for none. */
  readonly bootconfig: LocatedPart | null
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
  const overlay = chooseOverlay(system, options, findings)
  return { ...choice, overlay, bootconfig: chooseBootconfig(kernel, choice, findings) }
}

type Archives = Omit<InitrdChoice, 'overlay' | 'bootconfig'>

/** Android's boot loader puts it behind the initrd, with what only that loader knows. */
function chooseBootconfig(kernel: PlannedKernel, { withOwn }: Archives, findings: Findings): LocatedPart | null {
  const located = bootconfigOf(kernel)
  if (located === null) return null
  const name = partName(kernel, located.part)
  if (!withOwn) {
    findings.warn(`the bootconfig ${name} is not handed on, as the initrd of its image is not`)
    return null
  }
  if (located.part.length > MAX_BOOTCONFIG) {
    findings.warn(`the bootconfig ${name} has ${located.part.length} bytes, and kernels read at most ${MAX_BOOTCONFIG}`)
    return null
  }
  findings.decide('bootconfig', name, 'the image brings it; it goes behind the initrd')
  findings.warn(
    `the bootconfig ${name} is handed on as it is: what a boot loader adds to it (androidboot.slot_suffix and others) is not known`,
  )
  return located
}

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
        options,
      )),
      withOwn: false,
    }
  }
  const ofEntry = entry?.initrds ?? []
  const opened = await openAll(system, ofEntry, findings, options)
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
  options: Pick<PlanOptions, 'signal' | 'tryAnyway'>,
): Promise<Pick<Archives, 'paths' | 'initrds'>> {
  const { signal } = options
  const paths: string[] = []
  const initrds: PlannedInitrd[] = []
  try {
    for (const input of inputs) {
      paths.push(nameOf(input))
      try {
        const file = await openInput(system, input, { name: 'initrd', signal })
        const opened = { path: file.path, size: file.size, image: file.image, file, source: file.source }
        initrds.push(opened)
        const unwrapped = await unwrap(file, options, findings)
        if (unwrapped !== null) initrds.splice(-1, 1, { ...opened, ...unwrapped })
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

/** Takes U-Boot's header off, as U-Boot does. @returns null for a file that has none */
async function unwrap(
  { source, path, image }: OpenImage,
  { signal, tryAnyway }: Pick<PlanOptions, 'signal' | 'tryAnyway'>,
  findings: Findings,
): Promise<Partial<PlannedInitrd> | null> {
  const wrapped = await unwrapInitrd(source, () => throwIfAborted(signal))
  if (wrapped === null) return null
  const { source: inside, problems } = wrapped
  if (problems.length > 0) {
    const summary = `this is ${image.description}, damaged: ${problems.join('; ')}`
    const hint = 'Copy or make it again (mkimage -T ramdisk, flash-kernel).'
    if (tryAnyway) findings.warn(`${path}: ${summary}: it is loaded anyway`)
    else findings.refuse(new KexecError(summary, { reason: 'damaged-image', path, hint, refused: true }))
  }
  const { size } = inside
  return { source: inside, size, image: inspectImage(inside.read(0, HEAD_BYTES), size), isWrapped: true }
}
