import { posix } from 'node:path'
import { addProblem, addSentence } from '../model/budget.ts'
import { type FoundEntry, MAX_INITRDS } from '../model/found-entry.ts'
import type { BootProblem } from '../model/problem.ts'
import type { Volume } from '../paths/volumes.ts'
import type { Survey } from '../survey/survey.ts'
import type { Command, TitledCommands } from './menu-list.ts'

/** Runs the commands of one title, as far as they show the kernel. */
export function grubLegacyEntry({ title, line, commands }: TitledCommands, config: string, survey: Survey): FoundEntry {
  const script = new Script(config, survey)
  for (const command of commands) script.run(command)
  return { id: title === '' ? `line ${line}` : title, title, ...script.finish(line) }
}

/** Where to look for files: a known file system, several candidates, or, [], the menu's own. */
type Root = readonly Volume[]

/** '(hd0)12345+678'; longer ones are not read, in characters. */
const LONGEST_BLOCK_LIST = 100

/** `(hd0,0)/vmlinuz`: its device, if any, and the path. */
const fileName = /^(?:\(([^)]*)\))?(.*)$/s

class Script {
  private readonly config: string
  private readonly survey: Survey
  private root: Root = []
  /** The device of `root` when it is a partition that is not mounted: 'hd0,5'. */
  private unmounted: string | null = null
  private isRemote = false
  private kernel: string | null = null
  private commandLine: string | null = null
  private initrds: readonly string[] = []
  private readonly modules: string[] = []
  private hasInitrd = false
  private other: string | null = null
  private readonly problems: BootProblem[] = []
  private readonly uncertainties: string[] = []

  constructor(config: string, survey: Survey) {
    this.config = config
    this.survey = survey
  }

  run({ name, argument, line }: Command): void {
    switch (name) {
      case 'root':
      case 'rootnoverify':
        this.setRoot(argument)
        break
      case 'uuid':
        // Debian's and Ubuntu's GRUB 0.97: the file system of that UUID becomes the root.
        this.unmounted = null
        this.root = volumesOf(this.survey.volumes.find({ uuid: argument }))
        break
      case 'find':
        // `find --set-root FILE`: the file system with the file, which is looked for anyway.
        if (argument.startsWith('--set-root')) {
          this.root = []
          this.unmounted = null
        }
        break
      case 'kernel':
        this.setKernel(argument, line)
        break
      case 'initrd':
        this.setInitrd(argument, line)
        break
      case 'module':
      case 'modulenounzip':
        if (this.modules.length <= MAX_INITRDS) this.modules.push(this.locate(firstWord(argument)))
        break
      case 'chainloader':
        this.other = `the boot sector or EFI program ${argument} (chainloader)`
        break
      case 'configfile':
        this.other = `the menu of ${argument} (configfile)`
        break
      case 'halt':
      case 'reboot':
        this.other = `nothing (${name})`
    }
  }

  finish(line: number): Omit<FoundEntry, 'id' | 'title'> {
    const { kernel, commandLine, uncertainties } = this
    const problems = [...this.problems]
    if (kernel === null) {
      problems.push(
        this.other === null
          ? { code: 'configuration-mistake', text: `${this.config}:${line}: the entry has no kernel command.` }
          : { code: 'no-kernel', text: `It starts no Linux kernel: ${this.other}.` },
      )
      return { kernel, initrds: [], commandLine: null, problems, uncertainties: [] }
    }
    if (this.modules.length > 0)
      problems.push({
        code: 'not-a-kernel',
        text: `It starts ${kernel} by the Multiboot protocol, with its modules; kexec_file_load takes only Linux kernels.`,
      })
    return { kernel, initrds: [...this.initrds, ...this.modules], commandLine, problems, uncertainties }
  }

  /** `root (hd0,0)` may be followed by bytes for a kernel of another kind. */
  private setRoot(argument: string): void {
    const device = /^\(([^)]*)\)/.exec(argument)?.[1]
    if (device === undefined) return
    this.root = this.volumesOfDevice(device)
    this.unmounted = this.isUnmounted(device, this.root) ? device : null
  }

  private setKernel(argument: string, line: number): void {
    const words = withoutOptions(argument)
    const name = firstWord(words)
    if (name === '') {
      addProblem(this.problems, 'configuration-mistake', `${this.config}:${line}: the kernel command names no file.`)
      return
    }
    if (/^\([^)]*\)?\d*\+\d/.test(name.slice(0, LONGEST_BLOCK_LIST))) {
      this.other = `what lies at ${name}, a list of blocks`
      return
    }
    this.kernel = this.locate(name)
    this.commandLine = words.slice(name.length).trimStart()
    this.initrds = []
    this.modules.length = 0
    this.hasInitrd = false
  }

  /** GRUB 0.97 loads one file, and the next `initrd` in its place; later patches take several in one line. */
  private setInitrd(argument: string, line: number): void {
    const names = argument.split(/\s+/).filter((name) => name !== '')
    if (this.hasInitrd)
      addProblem(
        this.problems,
        'configuration-mistake',
        `${this.config}:${line}: a second initrd command takes the place of the one before it.`,
      )
    this.hasInitrd = true
    this.initrds = names.slice(0, MAX_INITRDS + 1).map((name) => this.locate(name))
    if (names.length > 1)
      addSentence(
        this.uncertainties,
        `${this.config}:${line}: only some builds of GRUB legacy load more than one initrd.`,
      )
  }

  private locate(name: string): string {
    const [, device, path = ''] = fileName.exec(name) ?? []
    const root = device === undefined ? this.root : this.volumesOfDevice(device)
    const { volumes } = this.survey
    const unmounted = device === undefined ? this.unmounted : this.isUnmounted(device, root) ? device : null
    if (unmounted !== null) return `(${unmounted})${posix.join('/', path)}`
    // Only the firmware knows which disk hd0 is: of those with such a partition, the one with the file.
    const found = root.map((volume) => volumes.locate(path, this.config, volume)).find(({ exists }) => exists)
    return (found ?? volumes.locate(path, this.config, root[0])).path
  }

  /** A partition that is none of the mounted file systems, where the menu's own partition is known. */
  private isUnmounted(device: string, root: Root): boolean {
    const own = this.survey.volumes.volumeOf(this.config).partition
    return root.length === 0 && own !== null && /^hd\d+,\d/.test(device)
  }

  /** Partitions are counted from 0, and a BSD slice may follow: (hd0,0,a). */
  private volumesOfDevice(device: string): Root {
    const partition = /^hd\d+,(\d{1,4})(?:,[a-p])?$/.exec(device)?.[1]
    if (partition !== undefined) return this.survey.volumes.partitions(Number(partition) + 1)
    const uuid = /^UUID=(.+)$/i.exec(device)?.[1]
    if (uuid !== undefined) return volumesOf(this.survey.volumes.find({ uuid }))
    if (/^[nfc]d/.test(device) && !this.isRemote) {
      this.isRemote = true
      addSentence(this.uncertainties, `Its files are on (${device}): the network, or a medium that is not looked at.`)
    }
    return []
  }
}

function volumesOf(volume: Volume | undefined): Root {
  return volume === undefined ? [] : [volume]
}

/** `kernel --type=linux --no-mem-option /vmlinuz …`: the options are for GRUB. */
function withoutOptions(argument: string): string {
  const option = /--\S+\s+/y
  let end = 0
  while (option.test(argument)) end = option.lastIndex
  return argument.slice(end)
}

function firstWord(text: string): string {
  return /^\S*/.exec(text)?.[0] ?? ''
}
