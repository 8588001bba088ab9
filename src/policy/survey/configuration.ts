import { gunzipSync } from 'node:zlib'
import type { Evidence } from '../../errors.ts'
import { SYMBOLS } from '../../system/kernel-symbols.ts'
import type { Known } from './known.ts'
import type { Survey } from './survey.ts'
import { kernelHasSymbol } from './symbols.ts'

/** Far more than any kernel's configuration: those of distributions have 250 to 300 KB. */
const MAX_BYTES = 4 * 1024 * 1024

/** A kernel's build configuration, as far as it is known. */
export interface KernelConfiguration {
  /** The file it was read from, or null. */
  readonly source: string | null
  /** As `uname -m` prints it; null when the file does not show it. */
  readonly architecture: string | null
  /** Whether an option is set, as `y` or `m`; null when unknown. */
  has(option: string): Known
  /** The line that says so, and its place. Only existing lines are quoted. */
  quote(option: string): Evidence
}

/** Where a kernel built with CONFIG_IKCONFIG_PROC shows its own. */
const OF_THE_RUNNING = '/proc/config.gz'

/**
 * Reads a kernel's configuration, that of the running one unless told otherwise, from the first place that has it. Only places that name this exact release
 * count: another kernel's configuration says nothing.
 */
export function readConfiguration(
  survey: Survey,
  release: string | null,
  { isRunning = true } = {},
): KernelConfiguration {
  for (const path of places(release).filter((place) => isRunning || place !== OF_THE_RUNNING)) {
    const bytes = survey.bytes(path, "the kernel's configuration", MAX_BYTES)
    const text = bytes === undefined ? undefined : textOf(bytes)
    if (text === undefined || !text.includes('\nCONFIG_')) continue
    const complete = isComplete(text)
    survey.note(
      'kernel',
      complete ? "the kernel's configuration" : "the kernel's configuration, cut off: what is missing in it is unknown",
      path,
      /\n# *(.*Kernel Configuration)\n/.exec(text.slice(0, 1000))?.[1] ?? 'without a title',
    )
    return {
      source: path,
      architecture: architectureIn(text),
      // An option whose dependency is off is not mentioned at all.
      has: (option) => optionIn(text, option) ?? (complete ? false : fromSymbols(survey, option)),
      quote: (option) =>
        optionIn(text, option) === null && !complete
          ? quoteSymbols(survey, option)
          : { source: path, value: lineOf(text, option) },
    }
  }
  const has = (option: string) => fromSymbols(survey, option)
  return { source: null, architecture: null, has, quote: (option) => quoteSymbols(survey, option) }
}

function places(release: string | null): string[] {
  if (release === null) return [OF_THE_RUNNING]
  return [
    OF_THE_RUNNING,
    `/boot/config-${release}`,
    `/usr/lib/modules/${release}/config`,
    `/lib/modules/${release}/config`,
    `/lib/modules/${release}/build/.config`,
    `/usr/lib/kernel/config-${release}`,
    `/lib/kernel/config-${release}`,
    `/usr/lib/ostree-boot/config-${release}`,
  ]
}

/** Starts with a line break, so that every line can be found by the break before it. */
function textOf(bytes: Buffer): string | undefined {
  const isPacked = bytes[0] === 0x1f && bytes[1] === 0x8b
  try {
    return `\n${(isPacked ? gunzipSync(bytes, { maxOutputLength: MAX_BYTES }) : bytes).toString('latin1')}`
  } catch {
    return undefined
  }
}

/**
 * A configuration's value for an option, or null when it does not mention it. Some twenty of thousands are asked for.
 */
function optionIn(text: string, option: string): Known {
  const set = `\nCONFIG_${option}=`
  const at = text.indexOf(set)
  if (at >= 0) return /^[ym]\n/.test(text.slice(at + set.length, at + set.length + 2))
  return text.includes(`\n# CONFIG_${option} is not set\n`) ? false : null
}

/** The line about an option, or that there is none. */
function lineOf(text: string, option: string): string {
  const set = new RegExp(`\\n(CONFIG_${option}=.*)`).exec(text)?.[1]
  if (set !== undefined) return set
  return optionIn(text, option) === false ? `# CONFIG_${option} is not set` : `no CONFIG_${option}`
}

/** "Kernel hacking" is the last menu of every kernel, and these two of its options have no conditions. */
function isComplete(text: string): boolean {
  return optionIn(text, 'DEBUG_KERNEL') !== null || optionIn(text, 'MAGIC_SYSRQ') !== null
}

function architectureIn(text: string): string | null {
  const [, architecture] = architectures.find(([option]) => optionIn(text, option) === true) ?? []
  const isLittlePower = architecture === 'ppc64' && optionIn(text, 'CPU_LITTLE_ENDIAN') === true
  return isLittlePower ? 'ppc64le' : (architecture ?? null)
}

const architectures: readonly (readonly [option: string, architecture: string])[] = [
  ['X86_64', 'x86_64'],
  ['X86_32', 'i686'],
  ['ARM64', 'aarch64'],
  ['S390', 's390x'],
  ['PPC64', 'ppc64'],
  ['RISCV', 'riscv64'],
  ['LOONGARCH', 'loongarch64'],
  ['ARM', 'armv7l'],
]

/**
 * A function that is only built with an option shows that the option is on. Its absence shows the opposite only for
 * system calls, and for functions that nothing can replace: others may be inlined, or have another name in another
 * version.
 */
const symbols: Readonly<Record<string, { readonly names: readonly string[]; readonly absenceMeansOff: boolean }>> = {
  KEXEC_FILE: { names: ['sys_kexec_file_load'], absenceMeansOff: true },
  KEXEC: { names: ['sys_kexec_load'], absenceMeansOff: true },
  KEXEC_SIG: { names: ['set_kexec_sig_enforced', 'kexec_kernel_verify_pe_sig'], absenceMeansOff: false },
  KEXEC_BZIMAGE_VERIFY_SIG: { names: ['kexec_kernel_verify_pe_sig', 'bzImage64_verify_sig'], absenceMeansOff: false },
  // include/linux/ima.h: the function exists only with this option, and is called from another file.
  INTEGRITY_TRUSTED_KEYRING: { names: ['ima_appraise_signature'], absenceMeansOff: true },
  KEXEC_IMAGE_VERIFY_SIG: { names: ['kexec_kernel_verify_pe_sig', 'image_verify_sig'], absenceMeansOff: false },
}

function fromSymbols(survey: Survey, option: string): Known {
  const known = symbols[option]
  if (known === undefined) return null
  const answers = known.names.map((name) => kernelHasSymbol(survey, name))
  if (answers.includes(true)) return true
  return known.absenceMeansOff && answers.every((answer) => answer === false) ? false : null
}

function quoteSymbols(survey: Survey, option: string): Evidence {
  const names = symbols[option]?.names ?? []
  const found = names.find((name) => kernelHasSymbol(survey, name))
  return { source: SYMBOLS, value: found ?? `no ${names.join(' or ') || `word on CONFIG_${option}`}` }
}
