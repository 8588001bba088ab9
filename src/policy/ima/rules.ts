import type { Known } from '../survey/known.ts'

/** The requirements of an IMA policy on a file: Documentation/ABI/testing/ima_policy. */
export type ImaRequirement = 'none' | 'hash' | 'signature'

/** The use of a file that a rule is for. */
export type ImaHook = 'KEXEC_KERNEL_CHECK' | 'KEXEC_INITRAMFS_CHECK'

/** One rule about appraisal; rules that only measure or audit refuse nothing. */
export interface ImaRule {
  readonly text: string
  readonly appraise: boolean
  /** The hook it is for; null for all. */
  readonly hook: string | null
  readonly requirement: 'hash' | 'signature'
  /** A signature appended to the file counts as well. */
  readonly modsig: boolean
  /** Its conditions on the file and its reader, such as ['fowner', '0']. */
  readonly conditions: readonly (readonly [name: string, value: string])[]
}

/** The facts about a file that rules ask for. Null where unknown. */
export interface ImaSubject {
  readonly owner: number | null
  readonly fileSystem: number | null
}

/** The outcome of the rules for one file; `requirement` is null when a condition cannot be judged. */
export interface ImaAnswer {
  readonly requirement: ImaRequirement | null
  readonly modsig: boolean
  /** The rule that decided, or that could not be judged. */
  readonly rule: string | null
}

/** More than any policy has. */
const MAX_RULES = 10_000

/** The rules about appraisal in the text of a policy, in their order. */
export function parseImaRules(text: string): ImaRule[] {
  const rules: ImaRule[] = []
  for (const line of text.split('\n', MAX_RULES)) {
    const words = line.trim().split(/\s+/)
    if (words[0] !== 'appraise' && words[0] !== 'dont_appraise') continue
    rules.push(parseRule(line.trim(), words))
  }
  return rules
}

/** Words of a rule that are not conditions on the file or its reader. */
const options = new Set([
  'func',
  'mask',
  'appraise_type',
  'appraise_flag',
  'appraise_algos',
  'digest_type',
  'pcr',
  'template',
])

function parseRule(text: string, [action, ...words]: readonly string[]): ImaRule {
  const pairs = words.map((word): [string, string] => {
    const equals = /[=<>]/.exec(word)?.index ?? word.length
    return [word.slice(0, equals), word.slice(equals)]
  })
  const option = (name: string) => pairs.find(([key]) => key === name)?.[1].slice(1)
  const type = option('appraise_type') ?? ''
  const conditions = pairs.filter(([name]) => !options.has(name) && name !== 'permit_directio')
  const mask = option('mask')
  if (mask !== undefined && mask !== 'MAY_READ' && mask !== '^MAY_READ') conditions.push(['mask', `=${mask}`])
  return {
    text,
    appraise: action === 'appraise',
    hook: option('func') ?? null,
    requirement: /imasig|sigv3/.test(type) ? 'signature' : 'hash',
    modsig: type.includes('modsig'),
    conditions,
  }
}

/** The requirement of the first rule that fits, in the kernel's order (ima_match_policy). */
export function applyImaRules(rules: readonly ImaRule[], hook: ImaHook, subject: ImaSubject): ImaAnswer {
  for (const rule of rules) {
    if (rule.hook !== null && rule.hook !== hook) continue
    const fits = rule.conditions.map((condition) => judge(condition, subject))
    if (fits.includes(false)) continue
    if (fits.includes(null)) return { requirement: null, modsig: rule.modsig, rule: rule.text }
    return { requirement: rule.appraise ? rule.requirement : 'none', modsig: rule.modsig, rule: rule.text }
  }
  return { requirement: 'none', modsig: false, rule: null }
}

/**
 * Whether IMA is certain to appraise a signature on a kernel: then lockdown requires no other (ima_appraise_signature).
 */
export function appraisesSignature(rules: readonly ImaRule[]): boolean {
  const first = rules.find((rule) => rule.appraise && (rule.hook === null || rule.hook === 'KEXEC_KERNEL_CHECK'))
  return first?.requirement === 'signature'
}

/** The loading process is root: uid and euid are 0. Labels of security modules cannot be judged here. */
function judge([name, value]: readonly [string, string], { owner, fileSystem }: ImaSubject): Known {
  switch (name) {
    case 'uid':
    case 'euid':
      return compare(0, value)
    case 'fowner':
      return owner === null ? null : compare(owner, value)
    case 'fsmagic':
      return fileSystem === null ? null : compare(fileSystem, value)
    case 'mask':
      return false
    default:
      return null
  }
}

function compare(actual: number, condition: string): Known {
  const match = /^(=|<|>)=?((?:0x)?[0-9a-fA-F]+)$/.exec(condition)
  if (match === null) return null
  const wanted = Number(match[2])
  if (Number.isNaN(wanted)) return null
  return match[1] === '=' ? actual === wanted : match[1] === '<' ? actual < wanted : actual > wanted
}
