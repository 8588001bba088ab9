import { readBootMenu } from '../../entries/discover.ts'
import { type Command, exit, jsonOption } from '../arguments/command.ts'
import { rootOption, systemOf } from '../arguments/root-option.ts'
import { menuDocument } from '../output/former-names.ts'
import { print, printJson } from '../output/output.ts'

export const command: Command = {
  name: 'list',
  summary:
    "Lists what this machine can boot: the boot loader's menu in its own order, then kernels that are not in the menu. " +
    'The default, running and newest entries are marked.',
  operands: '',
  arity: [0, 0],
  options: {
    long: { type: 'boolean', help: 'show everything known about each entry: command line, files, id' },
    'build-tree': { type: 'string', value: 'DIR', help: 'list the kernels in this kernel build tree instead' },
    root: rootOption,
    json: jsonOption,
  },
  examples: [
    ['linux-kexec list', 'the entries, as a table'],
    ['linux-kexec list --long', 'with command lines and files'],
    ['linux-kexec list --root /mnt --json', 'the entries of the system mounted on /mnt, for a program'],
  ],
  notes: 'Broken entries are listed too, each with its problems. No privilege is needed.',
  async run(args) {
    const system = systemOf(args)
    const buildTree = args.text('build-tree')
    const menu = await readBootMenu({ system, ...(buildTree === undefined ? {} : { buildTree }) })
    if (args.flag('json')) printJson(menuDocument(menu))
    else {
      const { listingParts } = await import('../reports/boot-menu.ts')
      for (const part of listingParts(menu, { system, long: args.flag('long') })) print(part)
    }
    return exit.done
  },
}
