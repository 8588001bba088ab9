import { posix } from 'node:path'
import type { BootEntry } from '../../entries/model/entry.ts'
import type { OpenImage } from '../../image/inspect/open.ts'
import { type FileIdentity, identify } from '../../state/file-identity.ts'
import type { LoadFacts, LoadOrigin } from '../../state/record.ts'
import { thisProgram } from '../../state/remember.ts'
import { noteLoad } from '../../trial/last/note.ts'
import type { Choices } from '../choices/choices.ts'
import type { Context } from '../context/context.ts'
import { kernelFiles } from '../context/kernel.ts'
import type { PlanOptions } from '../model/options.ts'
import type { PlanWarning } from '../model/remark.ts'
import { buildOf } from '../trial/recording.ts'

/** More names than anyone reads. */
const MAX_OVERLAY = 100

/** The part of the record about the files of a load, which are still open: only head and tail are read again. */
export function filesOf({
  system: { root },
  kernel,
  initrds: { archives, overlay },
}: Context): Pick<LoadFacts, 'version' | 'kernel' | 'initrds' | 'others' | 'overlay'> {
  const identityOf = ({ path, source, stats }: OpenImage): FileIdentity =>
    identify(stats === null ? path : posix.join(root, path), source, stats)
  const [, ...others] = kernelFiles(kernel)
  return {
    version: kernel.image.version,
    kernel: identityOf(kernel.file),
    initrds: archives.flatMap(({ file }) => (file === null ? [] : [identityOf(file)])),
    others: others.map(identityOf),
    overlay: overlay.slice(0, MAX_OVERLAY).map(({ from }) => from),
  }
}

/** The words that chose the kernel. */
export function originOf(options: PlanOptions, entry: BootEntry | null): LoadOrigin {
  const selector = options.entry ?? options.target ?? (typeof options.kernel === 'string' ? options.kernel : undefined)
  const { id = null, title = null, source = null } = entry ?? {}
  return { selector: selector ?? null, entry: id, title, source }
}

/** Writes down on the disk, for the new kernel, where it comes from. A crash kernel comes from a panic. */
export function noteKexec({ options, kernel }: Context, { trial, engine, commandLine }: Choices): PlanWarning[] {
  if (options.panic) return []
  const { file, image } = kernel
  const { version: release, versionString } = image
  const version = buildOf(release, versionString)
  const to = { kernel: file.path, release, version, commandLine: commandLine.text }
  const text = noteLoad({ trial: trial?.id ?? null, to, engine, by: thisProgram() })
  return text === undefined ? [] : [{ code: 'not-recorded', text }]
}
