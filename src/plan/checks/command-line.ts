import { commandLineBytes } from '../../cmdline/parse.ts'
import { KexecError } from '../../errors.ts'
import type { KernelImage } from '../../image/model/image.ts'
import { optionName } from '../../option-name.ts'
import { type Remark, remarksOn } from '../model/remark.ts'

/** Formats whose loaders compare the command line with the limit: bzImage64_load, and kexec_file_add_components of s390. */
const refusesLongLines = new Set(['bzImage', 's390 Image'])

/** Refuses a command line longer than the image takes. The kernel would answer EINVAL or truncate it. */
export function checkLength(commandLine: string, image: KernelImage, path: string): Remark[] {
  const length = commandLineBytes(commandLine)
  if (image.maxCommandLine === null || length <= image.maxCommandLine) return []
  const excess = length - image.maxCommandLine
  const summary = `the command line has ${length} bytes, and this kernel takes at most ${image.maxCommandLine}`
  const source = image.format === 'bzImage' ? `${path} cmdline_size` : `COMMAND_LINE_SIZE of ${image.format}`
  return [
    remarksOn('command line').refusal(
      new KexecError(summary, {
        reason: 'cmdline-too-long',
        path,
        // Other loaders do not check; the new kernel truncates the line.
        ...(refusesLongLines.has(image.format) ? { code: 'EINVAL' } : {}),
        hint: `Remove at least ${excess} ${excess === 1 ? 'byte' : 'bytes'} with ${optionName('remove', 'KEY')}.`,
        evidence: [{ source, value: `${image.maxCommandLine} usable` }],
        refused: true,
      }),
    ),
  ]
}
