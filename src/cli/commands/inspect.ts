import { type InspectedFile, inspectFile } from '../../image/index.ts'
import { formatBytes } from '../../plan/text.ts'
import { type Command, exit, jsonOption } from '../command.ts'
import { print, printJson, table } from '../output.ts'

export const command: Command = {
  name: 'inspect',
  summary: 'Tells what a kernel file is: format, architecture, version, limits, signature.',
  operands: 'FILE',
  arity: [1, 1],
  options: { json: jsonOption },
  examples: [
    ['linux-kexec inspect /boot/vmlinuz-6.1.0-56-amd64', 'an installed kernel'],
    ['linux-kexec inspect arch/x86/boot/bzImage --json', 'one just built, for a program'],
  ],
  notes: 'Any file is answered, named for what it is. No privilege is needed beyond reading it.',
  async run(args) {
    const image = inspectFile(args.positionals[0] as string)
    if (args.flag('json')) printJson(image)
    else print(describe(image))
    return exit.done
  },
}

function describe(image: InspectedFile): string {
  const rows: [string, string | null][] = [
    ['file', image.path],
    ['is', image.description],
    ['architecture', image.architecture],
    ['version', image.version],
    ['built', image.versionString],
    ['size', formatBytes(image.size)],
    ['compression', image.compression],
    ['memory needed', image.memoryNeeded === null ? null : formatBytes(image.memoryNeeded)],
    ['command line', image.maxCommandLine === null ? null : `at most ${image.maxCommandLine} bytes`],
    ['relocatable', image.relocatable === null ? null : image.relocatable ? 'yes' : 'no'],
    [
      'signature',
      image.signature === 'unknown' ? null : image.signature === 'present' ? 'present (not verified)' : 'absent',
    ],
    ['kexec_file_load', image.bootable ? 'takes it' : 'does not take it'],
  ]
  const known = rows.filter((row): row is [string, string] => row[1] !== null)
  return table([...known, ...image.problems.map((problem) => ['problem', problem])]).join('\n')
}
