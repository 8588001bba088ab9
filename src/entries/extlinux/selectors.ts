import type { System } from '../../system/system.ts'
import { moduleName, splitWord } from './reader.ts'

/** The SYSLINUX variant that starts from a configuration; `whichsys.c32` chooses by it. */
export type Variant = 'iso' | 'pxe' | 'sys'

/** The choice of a module that chooses. */
export interface Selected {
  /** A label's name, or a command. */
  readonly command: string
  /** The reason, to complete "…, by MODULE: …". */
  readonly reason: string
  /** The unknown fact that it chooses by, a sentence. */
  readonly uncertainty?: string
}

/**
 * The commands that modules choose between (com32/modules of SYSLINUX 6), with `--` between them. A machine that loads
 * kernels has a 64-bit processor, or is taken for one; other machines are unknown here.
 * @returns undefined for any other module, and for one without a choice.
 */
export function selectedBy(text: string, variant: Variant, system: System): Selected | undefined {
  const [file, rest] = splitWord(text)
  const words = rest.split(/\s+/).filter((word) => word !== '')
  const branches = branchesOf(words)
  switch (moduleName(file).replace(/\.c32$/, '')) {
    case 'ifcpu64':
      return chosen(branches[0], 'the processor is one of 64 bits')
    case 'ifcpu':
      return byFeatures(branches, system)
    case 'ifplop':
      return branches.length < 2
        ? undefined
        : chosen(branches[1], 'PLoP is not there', 'It depends on whether the PLoP boot manager started the medium.')
    case 'ifmemdsk':
      return branches.length < 2
        ? undefined
        : chosen(branches[1], 'MEMDISK is not there', 'It depends on whether MEMDISK holds the medium.')
    case 'whichsys':
      return byVariant(words, variant)
    case 'cmd':
      return chosen(words, 'it runs that command')
    default:
      return undefined
  }
}

function chosen(words: readonly string[] | undefined, reason: string, uncertainty?: string): Selected | undefined {
  if (words === undefined || words.length === 0) return undefined
  return { command: words.join(' '), reason, ...(uncertainty === undefined ? {} : { uncertainty }) }
}

function branchesOf(words: readonly string[]): string[][] {
  const branches: string[][] = [[]]
  for (const word of words) {
    if (word === '--') branches.push([])
    else branches.at(-1)?.push(word)
  }
  return branches
}

/** `ifcpu.c32 FEATURE… -- LABEL -- LABEL`: the first when the processor has all of them. */
function byFeatures([features = [], ...branches]: string[][], system: System): Selected | undefined {
  const wanted = features.filter((word) => word !== 'debug')
  if (wanted.includes('dry-run')) return undefined
  const unknown = wanted.filter((feature) => hasFeature(feature, system) === undefined)
  const isMissing = wanted.some((feature) => hasFeature(feature, system) === false)
  const words = isMissing ? (branches[1] ?? branches[0]) : branches[0]
  const reason = isMissing
    ? `the processor lacks one of ${wanted.join(', ')}`
    : `the processor has ${wanted.join(', ')}`
  if (isMissing || unknown.length === 0) return chosen(words, reason)
  return chosen(words, reason, `It depends on the processor, whether it has ${unknown.join(', ')}.`)
}

/** /proc/cpuinfo describes the running machine; a directory's machine is another. */
function hasFeature(feature: string, system: System): boolean | undefined {
  if (feature === '64' || feature === 'pae') return true
  const cpu = system.readText('/proc/cpuinfo') ?? ''
  const flags = /^flags\s*:(.*)$/m.exec(cpu)?.[1]?.split(' ')
  if (flags === undefined) return undefined
  if (feature === 'hvm') return flags.includes('vmx') || flags.includes('svm')
  if (feature === 'hypervisor') return flags.includes('hypervisor')
  if (feature === 'smp' || feature === 'multicore') return (cpu.match(/^processor\s*:/gm)?.length ?? 1) > 1
  // Words that the module does not know change nothing.
  return true
}

/** `whichsys.c32 -iso- COMMAND -pxe- COMMAND -sys- COMMAND`, in any order; of equal ones the last counts. */
function byVariant(words: readonly string[], variant: Variant): Selected | undefined {
  const start = words.lastIndexOf(`-${variant}-`)
  if (start < 0) return undefined
  const end = words.findIndex((word, index) => index > start && /^-(?:iso|pxe|sys)-$/.test(word))
  const names = { iso: 'ISOLINUX', pxe: 'PXELINUX', sys: 'SYSLINUX or EXTLINUX' }
  return chosen(words.slice(start + 1, end < 0 ? words.length : end), `${names[variant]} starts from this file`)
}
