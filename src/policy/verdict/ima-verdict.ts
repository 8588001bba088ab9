import type { SignatureReport } from '../../image/signature/cms/report.ts'
import type { ImaAttribute } from '../../image/signature/ima.ts'
import { applyImaRules, type ImaHook, type ImaSubject, parseImaRules } from '../ima/rules.ts'
import type { KexecPolicy } from '../policy.ts'
import type { CheckAnswer } from './signature-verdict.ts'

/** A file as IMA sees it when the kernel reads it. */
export interface AppraisedFile extends ImaSubject {
  /** Its security.ima; null when it has none, undefined when unknown. */
  readonly attribute: ImaAttribute | null | undefined
  /** Whether the hash in security.ima matches the file; null when it was not compared, or there is none. */
  readonly digestMatches: boolean | null
}

/** As `CheckAnswer`; nothing is said of a file that passes. */
type Appraisal = { readonly passes: true } | Exclude<CheckAnswer, { readonly passes: true }>

const passed: Appraisal = { passes: true }

/** The predicted result of IMA's appraisal of a file: ima_appraise_measurement of ima_appraise.c. */
export function checkAppraisal(
  { ima, keyrings }: KexecPolicy,
  hook: ImaHook,
  file: AppraisedFile,
  report: SignatureReport | null,
): Appraisal {
  if (ima.present === false || (ima.appraise !== null && ima.appraise !== 'enforce')) return passed
  if (ima.policy === null) return unsure('whether IMA appraises it: its policy cannot be read')
  const { requirement, modsig, rule } = applyImaRules(ima.rules.flatMap(parseImaRules), hook, file)
  if (requirement === 'none') return passed
  if (ima.appraise === null) return unsure('whether IMA enforces what it appraises')
  if (requirement === null) return unsure(`whether IMA's rule is for this file: ${rule}`)
  if (modsig && report?.signatures.some(({ kind }) => kind === 'module')) {
    return unsure('whether IMA trusts the signature appended to it')
  }
  const { attribute } = file
  if (attribute === undefined) return unsure('its IMA signature (security.ima), which could not be read')
  if (attribute === null) {
    return fails(
      requirement === 'hash' ? 'IMA requires security.ima, and it has none' : 'it has no IMA signature (security.ima)',
    )
  }
  if (attribute.problems.length > 0 || attribute.kind === 'unknown')
    return fails(attribute.problems[0] ?? 'its security.ima is of an unknown kind')
  if (attribute.kind === 'hash') return checkHash(requirement, file.digestMatches)
  const tail = attribute.keyId as string
  const isKnown = keyrings.keys.some(({ keyId }) => keyId.endsWith(tail))
  if (!isKnown && keyrings.visible)
    return fails(`its IMA signature is by the key that ends in ${tail}, which this kernel does not have`)
  return unsure(
    isKnown
      ? 'whether its IMA signature matches its contents, which only the kernel verifies'
      : 'which keys IMA trusts (/proc/keys shows them to root)',
  )
}

function checkHash(requirement: 'hash' | 'signature', matches: boolean | null): Appraisal {
  if (requirement === 'signature') return fails('IMA requires a signature, and its security.ima has only a hash')
  if (matches === null) return unsure('whether the hash in its security.ima matches its contents')
  return matches ? passed : fails('the hash in its security.ima does not match its contents')
}

function fails(why: string): Appraisal {
  return { passes: false, code: 'EACCES', why, changed: false }
}

function unsure(missing: string): Appraisal {
  return { passes: null, missing }
}
