import { posix } from 'node:path'
import { isEfi } from '../../../system/efi-variables.ts'
import { parseOsRelease } from '../../efi/os-release.ts'
import { type ImageProfile, readUnifiedImage } from '../../efi/uki.ts'
import type { CommandFunction } from '../interpreter/command.ts'
import type { Interpreter } from '../interpreter/interpreter.ts'
import type { MenuItem } from '../interpreter/menu.ts'
import { errors } from '../script/values.ts'
import { upstreamOptions, wantedBy } from './blscfg.ts'
import { compareFileVersions } from './file-version.ts'

/** Where unified kernel images lie on the EFI system partition, and the partition's mount points. */
const STANDARD = '/EFI/Linux'
const systemPartitions = ['/boot/efi', '/efi', '/boot', '/esp', ''] as const

/** GRUB 2.14's command that makes menu entries of unified kernel images, the newest first; GRUB for EFI machines has it. */
export const uki: CommandFunction = (run, { words }) => {
  const given = upstreamOptions(words)
  if (given === undefined || isEfi(run.survey.system) === false) return run.fails(errors.badArgument)
  const path = given.get('p')
  const named = path?.startsWith('/') || path?.startsWith('(') ? run.locate(path).path : undefined
  let images = named === undefined ? standardImages(run) : imagesAt(run, named)
  if (images.length === 0 && given.has('f')) images = standardImages(run)
  const wanted = wantedBy(given)
  const preset = run.text('default')
  for (const [index, image] of images.entries()) {
    const { file } = image
    const isDefault = preset !== '' && (preset === file || (/^\s*\d+$/.test(preset) && Number(preset) === index))
    if (wanted.file !== file && !(isDefault ? wanted.isDefault : wanted.others)) continue
    const item = itemOf(run, image)
    if (item !== undefined) run.add(item)
  }
  return true
}

interface Image {
  readonly path: string
  readonly file: string
  readonly profile: ImageProfile
}

function standardImages(run: Interpreter): Image[] {
  for (const partition of systemPartitions) {
    const directory = run.survey.volumes.files.ignoringCase(`${partition}${STANDARD}`)
    if (directory !== undefined) return imagesAt(run, directory)
  }
  return []
}

/** The images with a kernel, of a directory or of one file: GRUB skips others. */
function imagesAt(run: Interpreter, path: string): Image[] {
  const { system } = run.survey
  const paths = path.endsWith('.efi')
    ? [path]
    : system
        .list(path)
        .filter((name) => name.endsWith('.efi'))
        .map((name) => posix.join(path, name))
  return paths
    .flatMap((file) => {
      const image = readUnifiedImage(system, file)
      const profile = typeof image === 'string' ? undefined : image.profiles[0]
      return profile?.hasKernel ? [{ path: file, file: posix.basename(file), profile }] : []
    })
    .sort((one, other) => compareFileVersions(other.file, one.file))
}

/** GRUB names an image by PRETTY_NAME of its os-release, and shows no image without that name. */
function itemOf(run: Interpreter, { path, file, profile }: Image): MenuItem | undefined {
  const title = parseOsRelease(profile.osRelease ?? '').get('PRETTY_NAME')
  if (title === undefined) return undefined
  const { device, path: below } = run.devices.nameOf(path)
  return {
    isSubmenu: false,
    title,
    id: file,
    arguments: [title],
    body: [],
    script: `chainloader (${device})${below}${profile.commandLine ? ` ${profile.commandLine.replaceAll('\0', '')}` : ''}`,
    config: run.config,
    uncertainties: isEfi(run.survey.system) ? [] : ['It is shown only if the machine starts by EFI firmware.'],
  }
}
