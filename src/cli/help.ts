import { type Command, type CommandOption, helpOption } from './arguments/command.ts'
import { styled, table } from './output/output.ts'

/** The help of one command. */
export function commandHelp(command: Command): string {
  const options = Object.entries({ ...command.options, help: helpOption }).map(([name, option]) => [
    optionText(name, option),
    option.help,
  ])
  const operands = command.operands === '' ? '' : ` ${command.operands}`
  return [
    `${styled('bold', 'Usage:')} linux-kexec ${command.name}${operands} [options]`,
    '',
    command.summary,
    '',
    styled('bold', 'Options:'),
    ...table(options).map((line) => `  ${line}`),
    ...(command.notes === undefined ? [] : ['', command.notes]),
    '',
    styled('bold', 'Examples:'),
    ...command.examples.flatMap(([example, meaning]) => [`  ${example}`, `      ${meaning}`]),
  ].join('\n')
}

function optionText(name: string, option: CommandOption): string {
  const value = option.type === 'string' ? ` ${option.value ?? 'STR'}` : ''
  return `${option.short === undefined ? '' : `-${option.short}, `}--${name}${value}`
}

/** The help of the whole program. */
export function programHelp(commands: readonly (readonly [name: string, summary: string])[]): string {
  return [
    `${styled('bold', 'Usage:')} linux-kexec COMMAND [options]`,
    '',
    'Boot a new Linux kernel from the running one, without kexec-tools.',
    '',
    styled('bold', 'Commands:'),
    ...table(commands.map(([name, summary]) => [name, summary])).map((line) => `  ${line}`),
    '',
    styled('bold', 'Options:'),
    ...table([
      ['-h, --help', 'show this help; after a command, its own'],
      ['-V, --version', 'show the version'],
    ]).map((line) => `  ${line}`),
    '',
    styled('bold', 'Exit status:'),
    '  0 done, 1 failed, 2 usage, 3 refused before the kernel was asked, 4 nothing loaded',
    '',
    styled('bold', 'Examples:'),
    '  linux-kexec list',
    '      what this machine can boot',
    '  linux-kexec load newest && linux-kexec reboot',
    '      boot the newest kernel without going through the firmware',
  ].join('\n')
}
