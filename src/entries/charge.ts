import { lastParameter } from '../cmdline/look-up.ts'
import { loaderVariable } from '../system/efi-variables.ts'
import type { System } from '../system/system.ts'
import type { BootSource } from './model/entry.ts'
import type { Menu } from './model/found-entry.ts'

/** Without evidence: a boot loader that is present only by choice comes first. */
const precedence: readonly BootSource[] = [
  'grub',
  'bls',
  'zipl',
  'extlinux',
  'limine',
  'refind',
  'grub-legacy',
  'raspberry-pi',
  'kexec-conf',
]

/** Sources of kernels that are not boot loaders. */
const places: readonly BootSource[] = ['boot-dir', 'modules-dir', 'build-tree']

export interface Charge {
  /** The menu in charge first. */
  readonly menus: readonly Menu[]
  /** The menu this machine would show, or null when there is no boot loader. */
  readonly inCharge: Menu | null
  /** To complete "taken to be in charge, as …". */
  readonly reason: string
}

/** Decides whose menu the machine shows when several boot loaders have left theirs. */
export function takeCharge(menus: readonly Menu[], system: System): Charge {
  const isInstalled = menus.some(isOfImages) && systemdBootProgram(system) !== undefined
  const rankOf = (menu: Menu) => {
    if (places.includes(menu.source)) return precedence.length
    // Unified kernel images that no boot loader lists by itself: boot loaders that name them go first.
    return (
      precedence.indexOf(isOfImages(menu) && !isInstalled ? 'grub-legacy' : menu.source) - (isOfImages(menu) ? 0.5 : 0)
    )
  }
  const sorted = [...menus].sort(
    (one, other) => Number(isBare(one)) - Number(isBare(other)) || rankOf(one) - rankOf(other),
  )
  const evidence = evidenceOf(system, sorted)
  const chosen = sorted.find((menu) => menu.source === evidence?.source && menu.entries.length > 0)
  const inCharge = chosen ?? sorted.find((menu) => !places.includes(menu.source) && menu.entries.length > 0) ?? null
  if (inCharge === null) return { menus: sorted, inCharge, reason: 'no boot loader was found' }
  return {
    menus: [inCharge, ...sorted.filter((menu) => menu !== inCharge)],
    inCharge,
    reason: chosen === undefined ? 'nothing shows which of them started this system' : (evidence?.reason ?? ''),
  }
}

/** Whether systemd-boot's menu consists only of unified kernel images, which any boot loader may start. */
function isOfImages({ source, entries }: Menu): boolean {
  return source === 'bls' && entries.length > 0 && entries.every((entry) => entry.source === 'uki')
}

function isBare(menu: Menu): boolean {
  return menu.entries.length === 0
}

interface ChargeEvidence {
  readonly source: BootSource
  readonly reason: string
}

/** The traces of the boot loader, the surest first. */
function evidenceOf(system: System, menus: readonly Menu[]): ChargeEvidence | undefined {
  const loaderInfo = loaderVariable(system, 'LoaderInfo')
  if (loaderInfo !== undefined) {
    const source = loaderNames.find(([name]) => name.test(loaderInfo))?.[1]
    if (source !== undefined) return { source, reason: `the EFI variable LoaderInfo says ${loaderInfo}` }
  }
  const image = lastParameter(system.runningCommandLine(), 'BOOT_IMAGE')?.value
  // GRUB names its device, "(hd0,gpt2)/vmlinuz", or an absolute path; syslinux the file as its configuration does.
  if (image?.startsWith('(')) return { source: 'grub', reason: `/proc/cmdline has BOOT_IMAGE=${image}` }
  const systemdBoot = menus.some(({ source }) => source === 'bls') ? systemdBootProgram(system) : undefined
  if (systemdBoot !== undefined) return { source: 'bls', reason: `${systemdBoot} is installed` }
  return undefined
}

const loaderNames: readonly (readonly [RegExp, BootSource])[] = [
  [/^systemd-boot/i, 'bls'],
  [/^GRUB/i, 'grub'],
  [/^rEFInd/i, 'refind'],
  [/^Limine/i, 'limine'],
]

function systemdBootProgram(system: System): string | undefined {
  for (const top of ['/efi', '/boot', '/boot/efi', '']) {
    const directory = `${top}/EFI/systemd`
    const name = system.list(directory).find((file) => /^systemd-boot.*\.efi$/i.test(file))
    if (name !== undefined) return `${directory}/${name}`
  }
  return undefined
}
