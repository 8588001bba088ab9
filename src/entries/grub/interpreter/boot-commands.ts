import type { StartedKernel } from '../../efi/efi-program.ts'
import { MAX_INITRDS } from '../../model/found-entry.ts'
import type { BootProblem } from '../../model/problem.ts'
import type { GrubFile } from './devices.ts'
import type { Boot } from './menu.ts'

/** Of one entry. */
const MAX_SENTENCES = 50

/** The files that an entry's body has loaded so far, through `linux`, `initrd` and similar commands. */
export class BootCommands {
  private kernel: string | null = null
  private commandLine: string | null = null
  private initrds: readonly string[] = []
  private deviceTree: string | null = null
  private problems: readonly BootProblem[] = []
  private uncertainties: readonly string[] = []
  /** Facts that only the file of an EFI program shows: its profile, version and architecture. */
  private started: StartedKernel | null = null

  /** Whether there is a kernel or program to boot. */
  get isLoaded(): boolean {
    return this.kernel !== null || this.problems.length > 0
  }

  /** An EFI program has its own initrds, or names them in its load options. */
  get takesInitrds(): boolean {
    return this.isLoaded && this.started === null
  }

  /** A kernel replaces the one before, and its initrds. */
  linux(file: GrubFile, words: readonly string[]): void {
    this.start(file)
    this.commandLine = commandLine(words)
  }

  initrd(files: readonly GrubFile[]): void {
    // GRUB has one initrd, made of all files of the last command.
    this.initrds = files.map(({ path }) => path)
    this.note(files)
  }

  devicetreeFile(file: GrubFile): void {
    this.deviceTree = file.path
    this.note([file])
  }

  /** A multiboot kernel: Xen, tboot. It takes a kernel and modules that kexec_file_load would not. */
  multiboot(file: GrubFile, words: readonly string[]): void {
    this.start(file)
    this.commandLine = commandLine(words)
    const text = `${file.path} is a multiboot kernel, which kexec_file_load does not take.`
    this.problems = [...this.problems, { code: 'not-a-kernel', text }]
  }

  module(file: GrubFile, words: readonly string[]): void {
    if (this.initrds.length > MAX_INITRDS) return
    this.initrds = [...this.initrds, file.path]
    this.note([file])
    if (words.length === 0 || this.problems.length >= MAX_SENTENCES) return
    const text = `Its module ${file.path} has the command line: ${commandLine(words)}`
    this.problems = [...this.problems, { code: 'options-ignored', text }]
  }

  /** An EFI program that boots a Linux kernel. */
  program(started: StartedKernel): void {
    this.start(null)
    this.started = started
    this.kernel = started.kernel
    this.commandLine = started.commandLine
    this.initrds = started.initrds
    this.problems = started.problems
    for (const sentence of started.uncertainties) this.uncertain(sentence)
  }

  /** A program that starts no Linux kernel at all. @param what a sentence */
  other(what: string): void {
    this.start(null)
    this.problems = [{ code: 'no-kernel', text: what }]
  }

  /** GRUB's complaints that do not stop it. */
  fault(sentence: string): void {
    this.problems = [...this.problems, { code: 'configuration-mistake', text: sentence }]
  }

  uncertain(sentence: string): void {
    if (this.uncertainties.length < MAX_SENTENCES && !this.uncertainties.includes(sentence))
      this.uncertainties = [...this.uncertainties, sentence]
  }

  copy(): BootCommands {
    return Object.assign(new BootCommands(), this)
  }

  /** The files loaded after one of two branches. */
  join(other: BootCommands, why: string): BootCommands {
    const [likely, lesser] = this.isLoaded || !other.isLoaded ? [this, other] : [other, this]
    const joined = likely.copy()
    for (const sentence of lesser.uncertainties) joined.uncertain(sentence)
    if (likely.key() !== lesser.key()) {
      const how = lesser.isLoaded ? `: it may as well be ${lesser.summary()}` : ', without which it starts nothing'
      joined.uncertain(`What it starts depends on ${why}${how}.`)
    }
    return joined
  }

  /** Null when the body loads nothing. */
  result(): Boot | null {
    if (!this.isLoaded) return null
    const { kernel, commandLine, initrds, deviceTree, problems, uncertainties } = this
    return { ...this.started, kernel, commandLine, initrds, deviceTree, problems, uncertainties }
  }

  private start(file: GrubFile | null): void {
    this.started = null
    this.kernel = file?.path ?? null
    this.commandLine = null
    this.initrds = []
    this.problems = []
    if (file !== null) this.note([file])
  }

  private note(files: readonly GrubFile[]): void {
    const found = files.flatMap(({ problem }): BootProblem[] => {
      return problem === null ? [] : [{ code: 'out-of-reach', text: problem }]
    })
    if (found.length > 0 && this.problems.length < MAX_SENTENCES) this.problems = [...this.problems, ...found]
  }

  private key(): string {
    return JSON.stringify([
      this.kernel,
      this.started?.profile,
      this.commandLine,
      this.initrds,
      this.deviceTree,
      this.problems,
    ])
  }

  private summary(): string {
    const { kernel, initrds, commandLine } = this
    return `${kernel ?? this.problems[0]?.text}${initrds.map((initrd) => `, ${initrd}`).join('')}${commandLine ? `, ${commandLine}` : ''}`
  }
}

/**
 * The argument text that GRUB passes: joined by spaces; an argument with a space is put in double quotes, and quotes
 * and backslashes get a backslash, except that of `\xNN`.
 */
export function commandLine(words: readonly string[]): string {
  return words.map(quoted).join(' ')
}

function quoted(word: string): string {
  const escaped = word.replace(/\\(?!x[0-9a-fA-F]{2})|['"]/g, '\\$&')
  return word.includes(' ') ? `"${escaped}"` : escaped
}
