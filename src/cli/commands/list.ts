import { readBootMenu } from '../../entries/discover.ts'
import type { BootEntry } from '../../entries/entry.ts'
import { oneLine } from '../../plan/text.ts'
import { type Command, exit, jsonOption } from '../command.ts'
import { stdout, terminalColumns } from '../descriptor.ts'
import { print, printJson, styled, table, wrap } from '../output.ts'
import { rootOption, systemOf } from '../root-option.ts'

const DEFAULT_WIDTH = 80
const INDENT = ' '.repeat(4)

export const command: Command = {
  name: 'list',
  summary: 'Lists what this machine could boot, newest first, with the running and the newest kernel marked.',
  operands: '',
  arity: [0, 0],
  options: {
    root: rootOption,
    json: jsonOption,
  },
  examples: [
    ['linux-kexec list', 'the entries, as a table'],
    ['linux-kexec list --root /mnt --json', 'those of the system mounted on /mnt, for a program'],
  ],
  notes: 'Broken entries are listed as well, with what is wrong. No privilege is needed.',
  async run(args) {
    const system = systemOf(args)
    const { entries, loaders, problems } = await readBootMenu({ system })
    if (args.flag('json')) printJson({ entries, loaders, problems })
    else if (entries.length === 0) print(`No kernel was found${system.isLive ? '' : ` in ${system.root}`}.`)
    else print(listing(entries))
    return exit.done
  },
}

/** A table; where it is too wide, each kernel's path goes on a line of its own. */
function listing(entries: readonly BootEntry[]): string {
  const width = terminalColumns(stdout) ?? DEFAULT_WIDTH
  const columns = entries.map((entry, index) => [`#${index + 1}`, entry.version ?? '(version unknown)', marks(entry)])
  const whole = table([
    ['#', 'VERSION', '', 'KERNEL'],
    ...columns.map((row, index) => [...row, entries[index]?.kernel ?? '']),
  ])
  const fits = whole.every((line) => line.length <= width)
  const [header, ...lines] = fits ? whole : table([['#', 'VERSION', ''], ...columns])
  const text = [styled('dim', header ?? '')]
  entries.forEach((entry, index) => {
    const line = lines[index] ?? ''
    text.push(entry.isRunning ? styled('bold', line) : line)
    if (!fits) text.push(INDENT + oneLine(entry.kernel ?? ''))
    for (const problem of entry.problems) {
      const [first = '', ...more] = wrap(`problem: ${oneLine(problem)}`, width - INDENT.length - 2)
      text.push(INDENT + first.replace('problem:', (word) => styled('yellow', word)))
      text.push(...more.map((rest) => `${INDENT}  ${rest}`))
    }
  })
  return text.join('\n')
}

function marks(entry: BootEntry): string {
  return [entry.isDefault && 'default', entry.isRunning && 'running', entry.isNewest && 'newest']
    .filter(Boolean)
    .join(' ')
}
