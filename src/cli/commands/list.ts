import { discover } from '../../entries/discover.ts'
import type { BootEntry } from '../../entries/entry.ts'
import { System } from '../../system/system.ts'
import { type Command, exit, jsonOption } from '../command.ts'
import { print, printJson, styled, table } from '../output.ts'

export const command: Command = {
  name: 'list',
  summary: 'Lists what this machine could boot, newest first, with the running and the newest kernel marked.',
  operands: '',
  arity: [0, 0],
  options: {
    root: { type: 'string', value: 'DIR', help: 'look into this root file system or boot partition instead' },
    json: jsonOption,
  },
  examples: [
    ['linux-kexec list', 'the entries, as a table'],
    ['linux-kexec list --root /mnt --json', 'those of the system mounted on /mnt, for a program'],
  ],
  notes: 'Broken entries are listed as well, with what is wrong. No privilege is needed.',
  async run(args) {
    const root = args.text('root')
    const entries = await discover({ system: new System(root) })
    if (args.flag('json')) printJson({ entries })
    else if (entries.length === 0) print(`No kernel was found${root === undefined ? '' : ` in ${root}`}.`)
    else print(listing(entries))
    return exit.done
  },
}

function listing(entries: readonly BootEntry[]): string {
  const rows = entries.map((entry, index) => [
    `#${index + 1}`,
    entry.version ?? '(version unknown)',
    marks(entry),
    entry.kernel,
  ])
  const [header, ...lines] = table([['#', 'VERSION', '', 'KERNEL'], ...rows])
  const text = [styled('dim', header ?? '')]
  lines.forEach((line, index) => {
    const entry = entries[index]
    text.push(entry?.isRunning ? styled('bold', line) : line)
    for (const problem of entry?.problems ?? []) text.push(`    ${styled('yellow', 'problem:')} ${problem}`)
  })
  return text.join('\n')
}

function marks(entry: BootEntry): string {
  return [entry.isDefault && 'default', entry.isRunning && 'running', entry.isNewest && 'newest']
    .filter(Boolean)
    .join(' ')
}
