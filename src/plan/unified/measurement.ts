import { loaderVariable } from '../../system/efi-variables.ts'
import type { System } from '../../system/system.ts'

/**
 * Where an installed system lists the disks that are opened at boot: crypttab(5), and the copies of dracut and
 * mkinitcpio.
 */
const crypttabs = ['/etc/crypttab', '/etc/crypttab.initramfs']

/** The most disks that are named. */
const MAX_NAMED = 4

/**
 * A warning for machines where this matters: kexec runs no systemd-stub, which measures the image into PCR 11, the
 * command line, addons and credentials into PCR 12, and extension images into PCR 13 (systemd-stub(7), "TPM PCR
 * Notes"). It matters with a TPM, where the image has signatures for PCR 11 or where the TPM opens a disk. The PCRs
 * that a disk is bound to are not read.
 * @param hasPcrSignature whether the image has a section .pcrsig
 */
export function measurementWarning(system: System, hasPcrSignature: boolean, commandLine: string): string | null {
  if (!hasTpm(system)) return null
  const disks = sealedDisks(system, commandLine)
  const evidence = [
    ...(hasPcrSignature ? ['the image brings signed values for PCR 11 (.pcrsig)'] : []),
    ...(disks.length > 0 ? [`the TPM opens ${disks.join(', ')}`] : []),
  ]
  if (evidence.length === 0) return null
  return (
    `kexec does not run systemd-stub, so PCR 11, 12 and 13 of the TPM keep what this boot measured, and nothing of the new image ` +
    `is added; ${evidence.join(', and ')}. What is sealed to these PCRs will not open by itself: have the password or recovery key at hand.`
  )
}

/** As Linux shows it, or as systemd-boot and systemd-stub reported it in the firmware. */
function hasTpm(system: System): boolean {
  if (system.list('/sys/class/tpm').some((name) => /^tpm\d+$/.test(name))) return true
  const banks = loaderVariable(system, 'LoaderTpm2ActivePcrBanks')
  return banks !== undefined && Number(banks) !== 0
}

/** Disks that crypttab or the command line (systemd-cryptsetup-generator(8)) has the TPM open: 'NAME in /etc/crypttab'. */
function sealedDisks(system: System, commandLine: string): string[] {
  const named = crypttabs.flatMap((path) =>
    (system.readText(path) ?? '').split('\n').flatMap((line) => {
      const [name = '', , , options = ''] = line.trim().split(/[ \t]+/)
      return !name.startsWith('#') && hasTpmOption(options) ? [`${name} (${path})`] : []
    }),
  )
  const onCommandLine = commandLine.split(/\s+/).flatMap((parameter) => {
    const options = /^(?:rd\.)?luks\.options=(.*)$/.exec(parameter)?.[1]
    return options !== undefined && hasTpmOption(options) ? ['a disk of luks.options='] : []
  })
  const all = [...named, ...onCommandLine]
  return all.length > MAX_NAMED ? [...all.slice(0, MAX_NAMED), `${all.length - MAX_NAMED} more`] : all
}

function hasTpmOption(options: string): boolean {
  return options.split(',').some((option) => /^(?:[^=]*=)?tpm2-device=/.test(option))
}
