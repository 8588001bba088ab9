import { posix } from 'node:path'
import { type FoundEntry, MAX_INITRDS } from '../model/found-entry.ts'
import { type BootProblemCode, problemsOf } from '../model/problem.ts'
import { pathFrom } from '../paths/loader-path.ts'
import type { Survey } from '../survey/survey.ts'
import { type Label, submenusOf, withoutHotkey } from './configuration.ts'
import { type Flavour, moduleName, splitWord } from './reader.ts'
import type { Variant } from './selectors.ts'

/** Where to look for a configuration's files. */
export interface Reading {
  readonly survey: Survey
  readonly flavour: Flavour
  /** The configuration file that the boot loader starts from, in the system's tree. */
  readonly config: string
  /** The directory that relative paths start from: the configuration's, or the one in `CONFIG file directory`. */
  readonly directory: string
  readonly variant: Variant
  /** Menus around the configuration as a whole. */
  readonly submenus: readonly string[]
}

/** The start of a label or a command: a type, a file, and the rest of the line. */
export interface Command {
  readonly keyword: Label['keyword']
  /** File and options. */
  readonly text: string
  readonly initrd: string | null
}

/** A label's entry. */
export function labelEntry(label: Label, reading: Reading): FoundEntry {
  const title = withoutHotkey(label.menuLabel ?? label.name).trim() || label.name
  const started = startedBy(label, reading)
  const uncertainties = [...(started.uncertainties ?? []), ...(started.kernel === null ? [] : untold(label, reading))]
  return {
    id: label.name,
    title,
    submenus: [...reading.submenus, ...submenusOf(label)],
    kernel: started.kernel,
    initrds: started.initrds,
    commandLine: started.commandLine,
    deviceTree:
      label.deviceTree === null || reading.flavour === 'syslinux' || started.kernel === null
        ? null
        : locate(label.deviceTree, reading),
    problems: [...problemsOf('configuration-mistake', label.problems), ...(started.problems ?? [])],
    uncertainties,
  }
}

/** The entry of a command in DEFAULT or ONTIMEOUT that is not a label: 'vmlinuz root=/dev/sda1'. */
export function commandEntry(text: string, reading: Reading): FoundEntry {
  const started = start({ keyword: 'kernel', text, initrd: null }, '', reading)
  return { id: splitWord(text)[0], title: text, submenus: reading.submenus, ...started }
}

type Started = Pick<FoundEntry, 'kernel' | 'initrds' | 'commandLine' | 'problems' | 'uncertainties'>

function startedBy(label: Label, reading: Reading): Started {
  const command = commandOf(label, reading.flavour)
  if (command === undefined)
    return nothing('configuration-mistake', `${label.place}: label ${label.name} names no kernel.`)
  const append = label.append === '-' && reading.flavour === 'syslinux' ? '' : (label.append ?? '')
  return start(command, append, reading)
}

/** SYSLINUX starts the file with the label's own name by default; U-Boot skips such a label. */
export function commandOf(label: Label, flavour: Flavour): Command | undefined {
  const { keyword, kernel, initrd, name } = label
  if (keyword === 'localboot') return { keyword, text: kernel ?? '', initrd }
  if (kernel !== null && kernel !== '') return { keyword, text: kernel, initrd }
  return flavour === 'syslinux' ? { keyword, text: name, initrd } : undefined
}

function start(command: Command, append: string, reading: Reading): Started {
  const [file, options] = splitWord(command.text)
  const all = [options, append].filter((part) => part !== '').join(' ')
  const other =
    reading.flavour === 'syslinux' || command.keyword === 'localboot' ? otherThanLinux(command, all) : undefined
  if (other !== undefined) return nothing('no-kernel', other)
  const module = moduleName(file)
  if (module === 'mboot.c32') return multiboot(all, reading)
  if (module === 'linux.c32') return linux(...splitWord(all), null, reading)
  return linux(reading.flavour === 'u-boot' ? command.text : file, all, command.initrd, reading)
}

function nothing(code: BootProblemCode, text: string): Started {
  return { kernel: null, initrds: [], commandLine: null, problems: [{ code, text }] }
}

/**
 * The command line is the text after the kernel's name and in APPEND, including `initrd=`. SYSLINUX puts BOOT_IMAGE=
 * before it, and ` initrd=` for an INITRD keyword after it. These marks of the loader are left out here, like other
 * loaders' marks.
 */
function linux(name: string, options: string, initrd: string | null, reading: Reading): Started {
  const [file, fit] = reading.flavour === 'u-boot' ? name.split('#', 2) : [name]
  const remote = [file ?? '', ...initrdNames(initrd, options, reading.flavour)].find(isRemote)
  if (remote !== undefined) return nothing('out-of-reach', `It is fetched over the network: ${remote}.`)
  return {
    kernel: locate(file ?? '', reading),
    initrds: initrdNames(initrd, options, reading.flavour)
      .slice(0, MAX_INITRDS + 1)
      .map((path) => locate(path, reading)),
    commandLine: options,
    uncertainties: [
      ...(fit === undefined ? [] : [`U-Boot takes the configuration '${fit}' of the FIT image ${file}.`]),
      ...(reading.flavour === 'u-boot' && /\$\{[^}$]+\}|\$\(/.test(options)
        ? ["The command line has variables of U-Boot's environment, which are unknown here."]
        : []),
    ],
  }
}

/** SYSLINUX loads the files of the first `initrd=`; that of an APPEND comes before an INITRD. */
function initrdNames(initrd: string | null, options: string, flavour: Flavour): string[] {
  if (flavour === 'u-boot') return initrd === null || initrd === '' ? [] : [initrd]
  const inOptions = /initrd=([^ ]*)/.exec(options)?.[1]
  return (inOptions ?? initrd ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}

/** `mboot.c32 xen.gz … --- vmlinuz … --- initrd`: a Multiboot kernel with its modules. */
function multiboot(text: string, reading: Reading): Started {
  const parts = text.split(/(?:^|\s)---(?:\s|$)/).map((part) => part.trim())
  const [kernel, options] = splitWord(parts[0] ?? '')
  if (kernel === '' || kernel.startsWith('-'))
    return nothing('no-kernel', `It starts mboot.c32 ${text}, which no kexec can.`)
  const modules = parts.slice(1).map((part) => splitWord(part)[0])
  return {
    kernel: locate(kernel, reading),
    initrds: modules
      .filter((name) => name !== '')
      .slice(0, MAX_INITRDS + 1)
      .map((name) => locate(name, reading)),
    commandLine: options,
    problems: problemsOf('not-a-kernel', [
      `It starts ${kernel} by the Multiboot protocol (mboot.c32), with its modules; kexec_file_load takes only Linux kernels.`,
    ]),
  }
}

/** The type that SYSLINUX derives from a file's name for `KERNEL` (doc/syslinux.txt, "KERNEL file"). */
const byEnding: readonly (readonly [RegExp, string])[] = [
  [/\.c32$/i, 'the SYSLINUX module'],
  // A release ends in .0 as well: vmlinuz-6.1.0 is not a network boot program, although only LINUX keeps PXELINUX from
  // taking it for one.
  [/(?:\.(?:bss|bs|bin)|[^0-9]\.0)$/i, 'the boot sector or network boot program'],
  [/\.img$/i, 'the disk image'],
  [/\.(?:com|cbt)$/i, 'the COMBOOT program'],
]

const byKeyword: Partial<Record<Label['keyword'], string>> = {
  boot: 'the boot sector',
  bss: 'the boot sector',
  pxe: 'the network boot program',
  fdimage: 'the disk image',
  comboot: 'the COMBOOT program',
  com32: 'the SYSLINUX module',
  config: 'the menu of',
}

/**
 * The program started in place of a Linux kernel, as a sentence; undefined for a kernel, or a module that starts one.
 */
function otherThanLinux({ keyword, text }: Command, options: string): string | undefined {
  if (keyword === 'localboot') return 'It starts no kernel: the next boot device of the firmware (LOCALBOOT).'
  const [file] = splitWord(text)
  const module = moduleName(file)
  if (module === 'memdisk') return `It starts no Linux kernel: memdisk boots a disk image (${options || 'none named'}).`
  if (module === 'mboot.c32' || module === 'linux.c32') return undefined
  const kind = keyword === 'kernel' ? byEnding.find(([ending]) => ending.test(file))?.[1] : byKeyword[keyword]
  if (kind === undefined) return undefined
  return `It starts no Linux kernel: ${kind} ${file}${options === '' ? '' : ` with '${options}'`}.`
}

/** Facts that the loader knows and the file does not contain. */
function untold(label: Label, { flavour }: Reading): string[] {
  const sentences: string[] = []
  if (label.sysappend !== 0)
    sentences.push(
      `The boot loader adds facts from the firmware to the command line (IPAPPEND or SYSAPPEND ${label.sysappend}).`,
    )
  if (flavour === 'syslinux') return sentences
  if (label.deviceTree === null && label.devicetreeDirectory !== null)
    sentences.push(
      `U-Boot takes the board's devicetree from ${label.devicetreeDirectory}; its environment says which one.`,
    )
  if (label.overlays !== null) sentences.push(`U-Boot applies devicetree overlays: ${label.overlays}.`)
  return sentences
}

function isRemote(name: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(name) || /^[^/]+::/.test(name)
}

export function locate(name: string, { survey, config, directory }: Reading): string {
  // '::' is PXELINUX's root of the server.
  return survey.volumes.locate(
    pathFrom(directory, name.replace(/^::/, '/'), survey),
    posix.join(directory, posix.basename(config)),
  ).path
}
