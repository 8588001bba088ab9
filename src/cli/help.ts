import { type Command, type CommandOption, helpOption } from './arguments/command.ts'
import type { Descriptor } from './output/descriptor.ts'
import { lineWidth, paragraphs, placed, table } from './output/layout.ts'
import { styled } from './output/style.ts'

const INDENT = 2
const MEANING = 6

/** The help of one command, for a terminal or any other descriptor. */
export function commandHelp(command: Command, descriptor: Descriptor): string {
  const width = lineWidth(descriptor)
  const { name, operands, summary, notes, examples } = command
  const usage = `linux-kexec ${name}${operands === '' ? '' : ` ${operands}`} [options]`
  const options = Object.entries({ ...command.options, help: helpOption }).map(([option, each]) => [
    optionText(option, each),
    each.help,
  ])
  return [
    ...placed(usage, { width, label: 'Usage:', labelStyle: 'bold', hanging: INDENT, descriptor }),
    '',
    ...paragraphs(summary, width),
    '',
    styled('bold', 'Options:', descriptor),
    ...table(options, { width, indent: INDENT }),
    ...notesLines(notes, width),
    '',
    ...exampleLines(examples, descriptor),
  ].join('\n')
}

function notesLines(notes: Command['notes'], width: number): string[] {
  if (notes === undefined) return []
  return ['', ...(typeof notes === 'string' ? paragraphs(notes, width) : notes(width))]
}

function exampleLines(examples: Command['examples'], descriptor: Descriptor): string[] {
  const width = lineWidth(descriptor)
  return [
    styled('bold', 'Examples:', descriptor),
    ...examples.flatMap(([example, meaning]) => [
      // Text to type stays on one line.
      ' '.repeat(INDENT) + example,
      ...placed(meaning, { width, indent: MEANING }),
    ]),
  ]
}

function optionText(name: string, option: CommandOption): string {
  const value = option.type === 'string' ? ` ${option.value ?? 'STR'}` : ''
  return `${option.short === undefined ? '' : `-${option.short}, `}--${name}${value}`
}

/** The help of the whole program. */
export function programHelp(
  commands: readonly (readonly [name: string, summary: string])[],
  descriptor: Descriptor,
): string {
  const width = lineWidth(descriptor)
  const heading = (text: string) => styled('bold', text, descriptor)
  const options = [
    ['-h, --help', 'show this help; after a command, its own'],
    ['-V, --version', 'show the version'],
  ]
  const statuses = '0 done, 1 failed, 2 usage, 3 refused before the kernel was asked, 4 nothing loaded'
  return [
    `${heading('Usage:')} linux-kexec COMMAND [options]`,
    '',
    ...placed('Boot a new Linux kernel from the running one, without kexec-tools.', { width }),
    '',
    heading('Commands:'),
    ...table(commands, { width, indent: INDENT }),
    '',
    heading('Options:'),
    ...table(options, { width, indent: INDENT }),
    '',
    heading('Exit status:'),
    ...placed(statuses, { width, indent: INDENT }),
    '',
    ...exampleLines(examples, descriptor),
  ].join('\n')
}

const examples: Command['examples'] = [
  ['linux-kexec list', 'what this machine can boot'],
  ['linux-kexec load newest && linux-kexec reboot', 'boot the newest kernel without going through the firmware'],
]
