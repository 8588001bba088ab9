import { posix } from 'node:path'
import { loaderVariables } from '../../system/efi-variables.ts'
import type { BootPartition } from '../efi/partitions.ts'
import { problemsOf } from '../model/problem.ts'
import type { Survey } from '../survey/survey.ts'
import type { LoaderConf } from './loader-conf.ts'
import type { LoaderEntry } from './loader-entry.ts'

/**
 * Entries that systemd-boot makes from its own findings, systemd-boot(7): ids, titles, and the file that is the sign of
 * each.
 */
const known: readonly { readonly id: string; readonly title: string; readonly file?: string }[] = [
  { id: 'auto-osx', title: 'macOS', file: 'System/Library/CoreServices/boot.efi' },
  { id: 'auto-windows', title: 'Windows Boot Manager', file: 'EFI/Microsoft/Boot/bootmgfw.efi' },
  { id: 'auto-efi-shell', title: 'EFI Shell', file: 'shellx64.efi' },
  { id: 'auto-efi-default', title: 'EFI Default Loader' },
  { id: 'auto-reboot-to-firmware-setup', title: 'Reboot Into Firmware Interface' },
  { id: 'auto-poweroff', title: 'Power Off The System' },
  { id: 'auto-reboot', title: 'Reboot The System' },
]

/**
 * The entries for other systems and the firmware, which come last in the menu: those that systemd-boot reported when it
 * ran (LoaderEntries); without a report, those whose files are on the ESP. None without a sign that systemd-boot is in
 * use.
 */
export function automaticEntries(
  partitions: readonly BootPartition[],
  conf: LoaderConf | null,
  survey: Survey,
): LoaderEntry[] {
  const [esp] = partitions
  const reported = loaderVariables(survey.system, 'LoaderEntries')
  const isInUse = reported.length > 0 || conf !== null || (esp?.program ?? null) !== null
  if (esp === undefined || !isInUse) return []
  return known.flatMap(({ id, title, file }) => {
    const path = file === undefined ? undefined : survey.volumes.files.ignoringCase(posix.join(esp.top, file))
    const isShown = reported.length > 0 ? reported.includes(id) : path !== undefined && conf?.autoEntries !== false
    return isShown ? [automaticEntry(id, title, path, esp)] : []
  })
}

function automaticEntry(id: string, title: string, path: string | undefined, esp: BootPartition): LoaderEntry {
  const starts = path === undefined ? 'what the boot loader finds by itself' : `the EFI program ${path}`
  return {
    id,
    title,
    sortKey: null,
    machineId: null,
    machine: null,
    version: null,
    count: null,
    profile: 0,
    isHidden: false,
    isAutomatic: true,
    found: {
      id,
      title,
      config: path ?? esp.loaderConf ?? esp.top,
      kernel: null,
      initrds: [],
      commandLine: null,
      problems: problemsOf('no-kernel', [`Starts ${starts}, not a Linux kernel.`]),
    },
  }
}
