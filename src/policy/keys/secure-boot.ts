import { globalVariable, isEfi, variableContent } from '../../system/efi-variables.ts'
import type { Survey } from '../survey/survey.ts'

/** shim's own variables: EFI_SHIM_LOCK_GUID, include/linux/efi.h. */
export const SHIM_GUID = '605dab50-e046-4300-abb6-3dd810dd8b23'
const VARIABLES = '/sys/firmware/efi/efivars'
const MOK_STATE = `/sys/firmware/efi/efivars/MokSBStateRT-${SHIM_GUID}`

/** `secure_boot` of struct boot_params (Documentation/arch/x86/zero-page.rst), the EFI stub's finding. */
const BOOT_PARAMETERS = '/sys/kernel/boot_params/data'
const SECURE_BOOT_OFFSET = 0x1ec
const STUB_DISABLED = 2
const STUB_ENABLED = 3

const POWER = '/proc/device-tree/ibm,secure-boot'
const OPAL = '/proc/device-tree/ibm,secureboot/os-secureboot-enforcing'
const S390 = '/sys/firmware/ipl/secure'

const ADDS = 'whether Secure Boot is on'

export interface SecureBoot {
  /** The running kernel's view; null when unknown. */
  readonly enabled: boolean | null
  /** Whether the firmware takes new keys without asking; null where it has no such state. */
  readonly setupMode: boolean | null
}

/** Reads whether the machine was booted with signatures enforced: UEFI, POWER, s390. */
export function readSecureBoot(survey: Survey): SecureBoot {
  return readPower(survey) ?? readS390(survey) ?? readEfi(survey)
}

/** is_ppc_secureboot_enabled, arch/powerpc/kernel/secure_boot.c: an empty property (OPAL), or a level above 1 (PowerVM). */
function readPower(survey: Survey): SecureBoot | undefined {
  if (survey.system.exists(OPAL)) return noted(survey, true, OPAL, 'present')
  const value = survey.bytes(POWER, ADDS, 4)
  if (value === undefined || value.length < 4) return undefined
  const level = value.readUInt32BE(0)
  return noted(survey, level > 1, POWER, String(level))
}

function readS390(survey: Survey): SecureBoot | undefined {
  const value = survey.text(S390, ADDS)
  return value === '0' || value === '1' ? noted(survey, value === '1', S390, value) : undefined
}

function readEfi(survey: Survey): SecureBoot {
  const setup = byteOf(survey, globalVariable('SetupMode'))
  const setupMode = setup === undefined ? null : setup === 1
  // The stub's record counts for the kernel: it respects shim's switch, and later changes do not matter.
  const stub = survey.bytes(BOOT_PARAMETERS, ADDS, SECURE_BOOT_OFFSET + 1)?.[SECURE_BOOT_OFFSET]
  if (stub === STUB_ENABLED || stub === STUB_DISABLED) {
    const value = `secure_boot ${stub} (${stub === STUB_ENABLED ? 'enabled' : 'disabled'})`
    return { ...noted(survey, stub === STUB_ENABLED, BOOT_PARAMETERS, value), setupMode }
  }
  const secure = byteOf(survey, globalVariable('SecureBoot'))
  if (secure === undefined) return { enabled: withoutVariable(survey), setupMode }
  const shim = byteOf(survey, MOK_STATE)
  const enabled = secure === 1 && setup !== 1 && shim !== 1
  if (secure === 1 && setup === 1)
    survey.note('secure boot', 'the firmware is in setup mode', globalVariable('SetupMode'), '1')
  if (secure === 1 && shim === 1) survey.note('secure boot', 'shim is set not to check signatures', MOK_STATE, '1')
  return { ...noted(survey, enabled, globalVariable('SecureBoot'), String(secure)), setupMode }
}

/** Firmware that has variables but not this one cannot enforce signatures. */
function withoutVariable(survey: Survey): false | null {
  if (isEfi(survey.system) === false) {
    survey.note('secure boot', 'the machine was not booted through UEFI', '/sys/firmware/efi', 'absent')
    return false
  }
  const path = globalVariable('SecureBoot')
  const variables = survey.system.list(VARIABLES)
  if (variables.length > 0 && !survey.system.exists(path)) {
    survey.note('secure boot', 'the firmware has no Secure Boot', path, 'absent')
    return false
  }
  if (survey.system.exists('/sys/firmware/efi') && variables.length === 0) {
    survey.miss(VARIABLES, 'not mounted', `${ADDS} (mount -t efivarfs none ${VARIABLES})`)
  }
  return null
}

function byteOf(survey: Survey, path: string): number | undefined {
  return variableContent(survey.bytes(path, ADDS, 16))?.[0]
}

function noted(survey: Survey, enabled: boolean, source: string, value: string): SecureBoot {
  survey.note('secure boot', `Secure Boot is ${enabled ? 'on' : 'off'}`, source, value)
  return { enabled, setupMode: null }
}
