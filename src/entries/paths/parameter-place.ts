import { parametersNamed } from '../../cmdline/look-up.ts'
import type { System } from '../../system/system.ts'
import type { BootSource } from '../model/entry.ts'

/** Where a kernel parameter is set permanently, in the configuration of this machine's boot loader. */
export interface ParameterPlace {
  /** As a noun: 'GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub'. */
  readonly name: string
  /** The present setting of this parameter, the one that counts; null where none was found. */
  readonly current: string | null
  /** How to put it into effect, to follow a comma: 'then run `update-grub`'; empty where nothing need be done. */
  readonly afterwards: string
  /** A program that adds or replaces it, in place of an edit; null for none. */
  readonly command: ((text: string) => string) | null
}

const GRUB = '/etc/default/grub'
const GRUB_DIRECTORY = '/etc/default/grub.d'
const U_BOOT = '/etc/default/u-boot'
const KERNEL_INSTALL = ['/etc/kernel/cmdline', '/usr/lib/kernel/cmdline']

/**
 * Finds the place where a parameter is set, or should be set.
 * @param key 'crashkernel'
 * @param source the boot entry's source; null where unknown
 */
export function placeOfParameter(system: System, key: string, source: BootSource | null): ParameterPlace {
  const simple = source === null ? undefined : places[source]
  if (simple !== undefined) return { name: simple[0], afterwards: simple[1] ?? '', current: null, command: null }
  if (source === 'extlinux') return inUBoot(system, key)
  if (source === 'uki') return inKernelInstall(system, key, 'then build the unified kernel image again')
  const command = grubby(system)
  // Fedora's kernels have Boot Loader Specification entries below GRUB, which grubby edits.
  if (command !== null) return { name: 'the boot entries', afterwards: '', current: null, command }
  if (isFile(system, GRUB) && source !== 'bls') return inGrub(system, key)
  if (source === 'bls')
    return inKernelInstall(system, key, 'then run `kernel-install add-all` or edit the `options` lines')
  return {
    name: "the kernel command line in the boot loader's configuration",
    afterwards: '',
    current: null,
    command: null,
  }
}

/** How to give a parameter this value, as the beginning of a sentence. @param old its present setting, if any */
export function howToSet(place: ParameterPlace, text: string, old: string | null): string {
  const { name, afterwards, current, command } = place
  if (command !== null) return `Run \`${command(text)}\``
  const end = afterwards === '' ? '' : `, ${afterwards}`
  const replaced = current ?? old
  return replaced === null ? `Add ${text} to ${name}${end}` : `Replace ${replaced} with ${text} in ${name}${end}`
}

const places: Partial<Record<BootSource, readonly [name: string, then?: string]>> = {
  'raspberry-pi': ['cmdline.txt on the boot partition'],
  zipl: ['`parameters` in /etc/zipl.conf', 'then run zipl'],
  'grub-legacy': ["the entry's `kernel` line in menu.lst"],
  refind: ["the kernel's line in refind_linux.conf"],
  limine: ["the entry's `cmdline` in limine.conf"],
}

function isFile(system: System, path: string): boolean {
  return system.stat(path)?.isFile() ?? false
}

function hasProgram(system: System, name: string): boolean {
  return ['/usr/sbin', '/usr/bin', '/sbin'].some((directory) => isFile(system, `${directory}/${name}`))
}

function grubby(system: System): ParameterPlace['command'] {
  return hasProgram(system, 'grubby') ? (text) => `grubby --update-kernel=ALL --args=${text}` : null
}

function inKernelInstall(system: System, key: string, afterwards: string): ParameterPlace {
  // The first file that exists counts; the second is a package's.
  const path = KERNEL_INSTALL.find((each) => isFile(system, each)) ?? (KERNEL_INSTALL[0] as string)
  const current = parametersNamed(system.readText(path), key).at(-1)?.raw ?? null
  const own = path === KERNEL_INSTALL[0]
  return { name: own ? path : `a copy of ${path} at ${KERNEL_INSTALL[0]}`, current, afterwards, command: null }
}

function inUBoot(system: System, key: string): ParameterPlace {
  if (!isFile(system, U_BOOT))
    return { name: 'the `append` line of the entry in extlinux.conf', afterwards: '', current: null, command: null }
  const found = assignedIn(system, [U_BOOT], 'U_BOOT_PARAMETERS')
  const last = lastWith(found, key)
  return {
    name: `U_BOOT_PARAMETERS in ${U_BOOT}`,
    afterwards: 'then run u-boot-update',
    current: last?.word ?? null,
    command: null,
  }
}

/**
 * A program makes GRUB's configuration. It reads /etc/default/grub, then on Debian and its derivatives every *.cfg of
 * /etc/default/grub.d in order of name; entries get GRUB_CMDLINE_LINUX, then GRUB_CMDLINE_LINUX_DEFAULT.
 */
function inGrub(system: System, key: string): ParameterPlace {
  const parts = readsDirectory(system) ? system.list(GRUB_DIRECTORY).filter((name) => name.endsWith('.cfg')) : []
  const files = [GRUB, ...parts.map((name) => `${GRUB_DIRECTORY}/${name}`)]
  const forAll = assignedIn(system, files, 'GRUB_CMDLINE_LINUX')
  const forDefault = assignedIn(system, files, 'GRUB_CMDLINE_LINUX_DEFAULT')
  const last = lastWith([...forAll, ...forDefault], key)
  // Where it is set nowhere, it goes to the file whose value no later file overwrites.
  const place = last ?? forDefault[0] ?? { path: GRUB, variable: 'GRUB_CMDLINE_LINUX_DEFAULT' }
  return {
    name: `${place.variable} in ${place.path}`,
    afterwards: `then run \`${updateGrub(system)}\``,
    current: last?.word ?? null,
    command: null,
  }
}

/** Only Debian's grub-mkconfig does; where that program is absent, the directory itself is the sign. */
function readsDirectory(system: System): boolean {
  const path = ['/usr/sbin/grub-mkconfig', '/usr/sbin/grub2-mkconfig'].find((each) => isFile(system, each))
  const text = path === undefined ? undefined : system.readText(path)
  return text === undefined || text.includes('default/grub.d')
}

function updateGrub(system: System): string {
  if (hasProgram(system, 'update-grub')) return 'update-grub'
  return system.stat('/boot/grub2') === undefined
    ? 'grub-mkconfig -o /boot/grub/grub.cfg'
    : 'grub2-mkconfig -o /boot/grub2/grub.cfg'
}

/** The value that one line of a file gives to a variable. */
interface Assigned {
  readonly path: string
  readonly variable: string
  readonly text: string
}

/** More lines than any of these files has. */
const MAX_LINES = 10_000

/** The lines that form the final value of a variable, in the order of its words. */
function assignedIn(system: System, files: readonly string[], variable: string): Assigned[] {
  let value: Assigned[] = []
  for (const path of files) {
    for (const line of (system.readText(path) ?? '').split('\n', MAX_LINES)) {
      const match = /^\s*(?:export\s+)?(GRUB_CMDLINE_LINUX(?:_DEFAULT)?|U_BOOT_PARAMETERS)(\+?)=(.*)$/.exec(line)
      if (match === null || match[1] !== variable) continue
      const text = match[3] as string
      const own = { path, variable, text }
      const at = new RegExp(`\\$(?:\\{${variable}\\}|${variable}(?!\\w))`).exec(text)
      if (match[2] === '+') value = [...value, own]
      else if (at === null) value = [own]
      // Words before the old value in the line come before it.
      else
        value = [
          { path, variable, text: text.slice(0, at.index) },
          ...value,
          { path, variable, text: text.slice(at.index + at[0].length) },
        ]
      if (value.length > MAX_LINES) return value
    }
  }
  return value.filter(({ text }) => text.trim() !== '')
}

/** The last setting of a parameter counts. */
function lastWith(parts: readonly Assigned[], key: string): (Assigned & { readonly word: string }) | undefined {
  const found = parts.flatMap((part) => {
    const words = part.text.split(/[\s"']+/).filter((word) => word.startsWith(`${key}=`))
    const word = words.at(-1)
    return word === undefined ? [] : [{ ...part, word }]
  })
  return found.at(-1)
}
