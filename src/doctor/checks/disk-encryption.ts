import { parametersNamed } from '../../cmdline/look-up.ts'
import { parseCommandLine } from '../../cmdline/parse.ts'
import type { Evidence } from '../../errors.ts'
import { loaderVariable } from '../../system/efi-variables.ts'
import type { System } from '../../system/system.ts'
import type { DoctorCheckStatus, Finding, Subject } from '../examination/check.ts'
import { type Examination, planOf } from '../examination/examination.ts'

const BLOCK = '/sys/block'
const CRYPTTAB = '/etc/crypttab'

/** The most mapped devices that are examined. */
const MAX_DEVICES = 1024

/**
 * Encrypted disks that will be locked again: the keys are in the memory of the running kernel, and kexec passes none on
 * (only a crash kernel can get them, Documentation/admin-guide/kdump/kdump.rst).
 */
export const diskEncryption: Subject<'disk-encryption'> = {
  name: 'handover',
  ids: ['disk-encryption'],
  needsMachine: true,
  examine: (examination) => [encryption(examination)],
}

/** An encrypted device that is open. */
interface Volume {
  readonly name: string
  /** The device that holds it, '/dev/sda3', where the kernel shows it. */
  readonly device: string
  readonly evidence: Evidence
}

/** How a volume will be opened again. */
interface Unlocking {
  readonly volume: Volume
  readonly status: DoctorCheckStatus
  readonly summary: string
  readonly detail?: string
  readonly remedy?: string
  readonly evidence: readonly Evidence[]
}

function encryption(examination: Examination): Finding<'disk-encryption'> {
  const id = 'disk-encryption'
  const { system } = examination
  const volumes = readVolumes(system)
  if (volumes.length === 0)
    return {
      id,
      status: 'ok',
      summary: 'No encrypted disk is in use.',
      evidence: [{ source: BLOCK, value: 'no dm-crypt' }],
    }
  const table = new Map(readCrypttab(system).map((line) => [line.name, line]))
  const fromCommandLine = luksOptions(planOf(examination)?.commandLine ?? '')
  const ways = volumes.map((volume) => unlocking(system, volume, table.get(volume.name), fromCommandLine))
  const evidence = ways.flatMap((way) => way.evidence)
  const worst = ways.find(({ status }) => status === 'warning') ?? ways.find(({ status }) => status === 'unknown')
  if (worst === undefined) {
    const summary =
      ways.length === 1
        ? (ways[0]?.summary as string)
        : `${ways.length} encrypted disks, all unlocked without a prompt.`
    return { id, status: 'ok', summary, detail: ways.flatMap(({ detail }) => detail ?? []), evidence }
  }
  const others = ways.filter((way) => way !== worst && way.status !== 'ok').map(({ summary }) => summary)
  return {
    id,
    status: worst.status,
    summary: worst.summary,
    detail: [...(worst.detail === undefined ? [] : [worst.detail]), ...others],
    evidence,
    ...(worst.remedy === undefined ? {} : { remedy: worst.remedy }),
  }
}

/** cryptsetup names its devices CRYPT-KIND-…. Its verity and integrity devices have no key. */
const ENCRYPTED = /^CRYPT-(?:LUKS[12]|PLAIN|BITLK|TCRYPT|LOOPAES|FVAULT2)-/

function readVolumes(system: System): Volume[] {
  const devices = system.list(BLOCK).filter((name) => name.startsWith('dm-'))
  return devices.slice(0, MAX_DEVICES).flatMap((device) => {
    const source = `${BLOCK}/${device}/dm/uuid`
    const value = system.readText(source)?.trim() ?? ''
    if (!ENCRYPTED.test(value)) return []
    const name = system.readText(`${BLOCK}/${device}/dm/name`)?.trim() ?? device
    const [below = 'DEVICE'] = system.list(`${BLOCK}/${device}/slaves`)
    return [{ name, device: below === 'DEVICE' ? below : `/dev/${below}`, evidence: { source, value } }]
  })
}

interface CrypttabLine {
  readonly name: string
  readonly key: string
  readonly options: readonly string[]
  readonly text: string
}

/** crypttab(5): name, device, key file, options. */
function readCrypttab(system: System): CrypttabLine[] {
  return (system.readText(CRYPTTAB) ?? '').split('\n').flatMap((line) => {
    const text = line.trim()
    const [name, device, key = '-', options = ''] = text.split(/\s+/)
    if (name === undefined || name === '' || name.startsWith('#') || device === undefined) return []
    return [{ name, key, options: options.split(','), text }]
  })
}

/** The parameters that systemd-cryptsetup-generator(8) reads from the command line, for any volume. */
function luksOptions(commandLine: string): { readonly options: readonly string[]; readonly hasKey: boolean } {
  const parsed = parseCommandLine(commandLine)
  const values = (name: string) =>
    [name, `rd.${name}`].flatMap((each) => parametersNamed(parsed, each)).map(({ value }) => value ?? '')
  return {
    options: values('luks.options').flatMap((value) => value.split(/[,=]/)),
    hasKey: values('luks.key').length > 0,
  }
}

function unlocking(
  system: System,
  volume: Volume,
  line: CrypttabLine | undefined,
  { options: given, hasKey }: ReturnType<typeof luksOptions>,
): Unlocking {
  const { name, device } = volume
  const configured = line === undefined ? [] : [{ source: CRYPTTAB, value: line.text }]
  const common = { volume, evidence: [volume.evidence, ...configured] }
  const has = (option: string) =>
    line?.options.some((each) => each.split('=')[0] === option) === true || given.includes(option)
  const keyFile = line?.key ?? '-'
  if (has('tpm2-device')) return { ...common, ...byTpm(system, volume, has('tpm2-measure-pcr')) }
  if (has('fido2-device') || has('pkcs11-uri')) {
    const summary = `${name} needs its security token again, and someone to confirm it.`
    return {
      ...common,
      status: 'warning',
      summary,
      remedy: 'Insert the token, and have someone at the console.',
    }
  }
  if (has('keyscript'))
    return { ...common, status: 'unknown', summary: `${name} gets its key from a script, which may prompt for input.` }
  const own = `/etc/cryptsetup-keys.d/${name}.key`
  if (hasKey || keyFile.startsWith('/') || system.exists(own))
    return { ...common, status: 'ok', summary: `${name} is unlocked by its key file.` }
  return {
    ...common,
    status: 'warning',
    summary: `${name} will ask for its passphrase again: kexec passes no key on.`,
    detail: 'A token on the disk itself (clevis, systemd-cryptenroll) may unlock it; such tokens are not read here.',
    remedy: `Be at the console, or let the TPM unlock it: systemd-cryptenroll --tpm2-device=auto ${device}`,
  }
}

/** kexec does not reset the TPM: its registers continue from this boot's values. */
function byTpm(system: System, { name, device }: Volume, isMeasured: boolean): Omit<Unlocking, 'volume' | 'evidence'> {
  // systemd-pcrphase.service(8): with systemd-stub the phases of this boot are in register 11 already, the machine in 15.
  const isStub = loaderVariable(system, 'StubInfo') !== undefined
  if (!isStub && !isMeasured) return { status: 'ok', summary: `${name} is unlocked by the TPM, as at this boot.` }
  return {
    status: 'warning',
    summary: `${name} may ask for its passphrase: the TPM is not reset, and this boot changed its registers 11 and 15.`,
    detail: 'A volume that is bound to register 7 alone is unlocked as before.',
    remedy: `cryptsetup luksDump ${device} shows the registers (tpm2-hash-pcrs); keep the passphrase at hand`,
  }
}
