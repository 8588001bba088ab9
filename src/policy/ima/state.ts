import { parametersNamed } from '../../cmdline/look-up.ts'
import { parseCommandLine } from '../../cmdline/parse.ts'
import type { KernelConfiguration } from '../survey/configuration.ts'
import { all, any, type Known, not } from '../survey/known.ts'
import type { Survey } from '../survey/survey.ts'
import { appraisesSignature, type ImaRule, parseImaRules } from './rules.ts'

const DIRECTORY = '/sys/kernel/security/ima'
const POLICY = `${DIRECTORY}/policy`
const COMMAND_LINE = '/proc/cmdline'
const CUSTOM = '/etc/ima/ima-policy'
const ADDS = 'which files IMA appraises'
const MAX_BYTES = 1024 * 1024
const OWNER_WRITES = 0o200

/** How IMA, the kernel's integrity subsystem, treats kernels that are loaded. */
export interface ImaState {
  /** Whether the kernel has it. */
  readonly present: boolean | null
  /** The effect of a failed appraisal: only 'enforce' refuses. Null when unknown. */
  readonly appraise: 'enforce' | 'log' | 'fix' | 'off' | null
  /** The origin of the rules: 'read' from the kernel; 'known' from its build and boot; null when unknown. */
  readonly policy: 'read' | 'known' | null
  /** Rules about appraisal, in their order; empty when there are none, or none are known. */
  readonly rules: readonly string[]
  /** A rule is certain to require an IMA signature on every kernel, which then counts in place of the image's own. */
  readonly signatureGuaranteed: boolean | null
}

export interface ImaSurvey {
  readonly configuration: KernelConfiguration
  readonly secureBoot: boolean | null
  readonly commandLine: string | null
}

/** Reads IMA's state: its rules when they can be read, else those that follow from build and boot. */
export function readIma(survey: Survey, { configuration, secureBoot, commandLine }: ImaSurvey): ImaState {
  const { has } = configuration
  const present = survey.system.exists(DIRECTORY) ? true : has('IMA')
  if (present === false) return { present, appraise: 'off', policy: 'known', rules: [], signatureGuaranteed: false }
  const parameters = imaParameters(commandLine)
  const isKnown = commandLine !== null || !survey.system.exists(COMMAND_LINE)
  const appraise = readMode(survey, configuration, secureBoot, { ...parameters, isKnown })
  const read = readRules(survey)
  if (!isKnown) survey.miss(COMMAND_LINE, 'EACCES', ADDS)
  const known = read === undefined && isKnown ? knownRules(survey, configuration, secureBoot, parameters) : undefined
  const rules = read ?? known ?? []
  const policy = read !== undefined ? 'read' : known !== undefined ? 'known' : null
  for (const rule of rules) {
    if (rule.hook === 'KEXEC_KERNEL_CHECK' && rule.appraise)
      survey.note('ima', 'IMA appraises kernels that are loaded', policy === 'read' ? POLICY : 'known rules', rule.text)
  }
  return {
    present,
    appraise,
    policy,
    rules: rules.map(({ text }) => text),
    // include/linux/ima.h: the question only has an answer with a keyring to which nobody can add keys.
    signatureGuaranteed: all(
      appraise === null ? null : appraise === 'enforce',
      has('INTEGRITY_TRUSTED_KEYRING'),
      policy === null ? null : appraisesSignature(rules),
    ),
  }
}

interface ImaParameters {
  readonly policies: readonly string[]
  readonly appraise: string | null
}

/** ima_policy= may be given several times, each with several names; the last ima_appraise= counts. */
function imaParameters(commandLine: string | null): ImaParameters {
  const parsed = parseCommandLine(commandLine ?? '')
  const values = (name: string) => parametersNamed(parsed, name).map(({ value }) => value ?? '')
  const policies = values('ima_policy').flatMap((value) => value.split(/[ |\n]/))
  if (values('ima_appraise_tcb').length > 0) policies.push('appraise_tcb')
  return { policies, appraise: values('ima_appraise').at(-1) ?? null }
}

/** ima_appraise_parse_cmdline: under Secure Boot only 'enforce' has an effect. */
function readMode(
  survey: Survey,
  { has }: KernelConfiguration,
  secureBoot: boolean | null,
  { appraise, isKnown }: ImaParameters & { readonly isKnown: boolean },
): ImaState['appraise'] {
  if (has('IMA_APPRAISE') === false) return 'off'
  if (!isKnown && not(all(secureBoot, has('IMA_ARCH_POLICY'))) !== false && has('IMA_APPRAISE_BOOTPARAM') !== false)
    return null
  const asked = (['off', 'log', 'fix', 'enforce'] as const).find((mode) => appraise?.startsWith(mode))
  if (asked === undefined || asked === 'enforce') return has('IMA_APPRAISE') === null ? null : 'enforce'
  const heeded = all(has('IMA_APPRAISE'), has('IMA_APPRAISE_BOOTPARAM'), not(all(secureBoot, has('IMA_ARCH_POLICY'))))
  if (heeded) survey.note('ima', 'a failed appraisal refuses nothing', COMMAND_LINE, `ima_appraise=${appraise}`)
  return heeded === null ? null : heeded ? asked : 'enforce'
}

/** The kernel shows its rules only when built for it (CONFIG_IMA_READ_POLICY), and only to root. */
function readRules(survey: Survey): ImaRule[] | undefined {
  let text: string
  try {
    text = survey.system.readHead(POLICY, MAX_BYTES).toString('utf8')
  } catch {
    return undefined
  }
  const rules = parseImaRules(text)
  survey.note('ima', `IMA has ${rules.length} rules about appraisal`, POLICY, rules[0]?.text ?? 'none')
  return rules
}

/** The rules without a policy loaded later, or undefined when one may have been. */
function knownRules(
  survey: Survey,
  configuration: KernelConfiguration,
  secureBoot: boolean | null,
  { policies }: ImaParameters,
): ImaRule[] | undefined {
  const replaced = wasReplaced(survey, configuration)
  if (replaced !== false) return undefined
  const { has } = configuration
  const rules: string[] = []
  // Where the presence of a rule is unknown, none is certain.
  const add = (condition: Known, text: string) => {
    if (condition === true) rules.push(text)
    return condition !== null
  }
  const isPower = configuration.architecture?.startsWith('ppc64') ?? false
  const byArchitecture = all(secureBoot, has('IMA_ARCH_POLICY'), configuration.architecture !== 's390x')
  const complete =
    add(all(byArchitecture, isPower), 'appraise func=KEXEC_KERNEL_CHECK appraise_type=imasig|modsig') &&
    add(
      all(byArchitecture, !isPower, not(has('KEXEC_SIG'))),
      'appraise func=KEXEC_KERNEL_CHECK appraise_type=imasig',
    ) &&
    add(policies.includes('secure_boot'), 'appraise func=KEXEC_KERNEL_CHECK appraise_type=imasig') &&
    add(has('IMA_APPRAISE_REQUIRE_KEXEC_SIGS'), 'appraise func=KEXEC_KERNEL_CHECK appraise_type=imasig')
  if (!complete) return undefined
  if (policies.includes('appraise_tcb')) rules.push(...trustedComputingBase(has('IMA_APPRAISE_SIGNED_INIT') === true))
  const parameter = policies.length > 0 ? [COMMAND_LINE, `ima_policy=${policies.join('|')}`] : undefined
  const [source, value] = parameter ?? [configuration.source ?? DIRECTORY, 'no IMA policy was asked for or loaded']
  survey.note('ima', "IMA's rules are those it was built and booted with", source as string, value as string)
  return rules.flatMap(parseImaRules)
}

/**
 * Whether a policy was loaded since boot (ima_release_policy, security/integrity/ima/ima_fs.c). A kernel that takes
 * only one and does not show it then removes the file. One that shows it then removes the write permission.
 */
function wasReplaced(survey: Survey, { has }: KernelConfiguration): Known {
  const stats = survey.system.stat(POLICY)
  if (stats === undefined) {
    if (survey.system.exists(DIRECTORY)) {
      survey.miss(POLICY, 'not there', `${ADDS}: a policy was loaded, and this kernel does not show it`)
      return true
    }
    if (!survey.system.exists(CUSTOM)) return false
    survey.miss(DIRECTORY, 'not there', `${ADDS}: ${CUSTOM} is there, which systemd loads`)
    return null
  }
  const replaced = any((stats.mode & OWNER_WRITES) === 0, has('IMA_WRITE_POLICY') === false ? false : null)
  if (replaced !== false) survey.miss(POLICY, 'EACCES', ADDS)
  return replaced
}

/** File systems without files of their own: default_appraise_rules of ima_policy.c, include/uapi/linux/magic.h. */
const virtual = [0x9fa0, 0x62656572, 0x64626720, 0x01021994, 0x858458f6, 0x1cd1, 0x42494e4d, 0x73636673, 0xf97cff8c]
virtual.push(0x43415d53, 0x6e736673, 0xde5e81e4, 0x27e0eb, 0x63677270)

function trustedComputingBase(signed: boolean): string[] {
  return [
    ...virtual.map((magic) => `dont_appraise fsmagic=0x${magic.toString(16)}`),
    `appraise fowner=0${signed ? ' appraise_type=imasig' : ''}`,
  ]
}
