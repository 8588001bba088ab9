import { lastParameter } from '../../cmdline/look-up.ts'
import type { CommandLine } from '../../cmdline/parse.ts'
import { KexecError } from '../../errors.ts'
import { flagName, optionName } from '../../option-name.ts'
import type { PlannedInitrds } from '../context/initrds.ts'
import type { Target } from '../context/target.ts'
import type { PlanOptions } from '../model/options.ts'
import { type Remark, remarksOn } from '../model/remark.ts'

const { warning, refusal } = remarksOn('initrd')

/** How the kernel reads root= when no initrd looks for the device. */
export type RootLookup = 'kernel' | 'initrd' | 'unknown'

/**
 * Names that only an initrd resolves: udev's links, device mapper and logical volumes by name, file systems by name.
 */
const byInitrd: readonly RegExp[] = [
  /^(?:UUID|LABEL|ID)=/i,
  /^\/dev\/disk\//,
  /^\/dev\/mapper\//,
  /^(?:ZFS|zfs|block|live|nbd|iscsi|fcoe|nvmf|dhcp6?)(?:[:=]|$)/,
]

/**
 * Whether the kernel itself finds a root file system of this name: early_lookup_bdev of block/early-lookup.c, and
 * parse_root_device of init/do_mounts.c for names that are not block devices.
 * @param root the value of root=
 * @param commandLine for the other parameters that count: rootfstype= of file systems without a device, dm-mod.create=
 */
export function rootLookup(root: string, commandLine: CommandLine): RootLookup {
  if (/^(?:PARTUUID|PARTLABEL)=/.test(root)) return 'kernel'
  if (byInitrd.some((pattern) => pattern.test(root))) return 'initrd'
  // Device numbers: 8:1, or 801 in hexadecimal. Flash, network and RAM have names of their own.
  if (/^(?:\d+:\d+(?::\d+)?|[0-9a-f]{3,8}|(?:mtd|ubi)\S*)$/i.test(root)) return 'kernel'
  if (/^\/dev\/dm-\d+$/.test(root))
    return lastParameter(commandLine, 'dm-mod.create') === undefined ? 'initrd' : 'kernel'
  // A slash in a device's name is a '!' in /sys/block; few drivers have one. Others are logical volumes.
  if (/^\/dev\/(?:cciss|ida|rd|ataraid|etherd)\/[^/]+$/.test(root) || /^\/dev\/[^/]+$/.test(root)) return 'kernel'
  if (/^\/dev\/[^/]+\/[^/]+$/.test(root)) return 'initrd'
  return lastParameter(commandLine, 'rootfstype') === undefined ? 'unknown' : 'kernel'
}

/** Whether a boot loader's configuration boots this kernel without an initrd. */
function isConfigured({ entry }: Target): boolean {
  return entry !== null && !['boot-dir', 'modules-dir', 'build-tree', 'kexec-conf'].includes(entry.source)
}

/**
 * Refuses, or warns of, a kernel that has no initrd and would find no root file system. The kernel may have a built-in
 * initramfs, which nothing outside shows. `--no-initrd` says so, and so does a boot loader's configuration without an
 * initrd.
 */
export function checkRoot(
  line: CommandLine,
  initrds: Pick<PlannedInitrds, 'paths'>,
  { target, options }: { readonly target: Target; readonly options: PlanOptions },
): Remark[] {
  if (initrds.paths.length > 0) return []
  const root = lastParameter(line, 'root')
  if (root === undefined) {
    const text =
      'the command line has no root= and there is no initrd: the new kernel will not find its root file system'
    return [warning('no-root', text)]
  }
  const lookup = rootLookup(root.value ?? '', line)
  if (lookup === 'kernel') return []
  const summary =
    lookup === 'initrd'
      ? `there is no initrd, and only an initrd finds ${root.raw}: the kernel by itself knows device names, PARTUUID= and PARTLABEL=`
      : `there is no initrd, and whether the kernel by itself finds ${root.raw} is unknown`
  const isMeant = options.noInitrd === true || options.exactCommandLine !== undefined || isConfigured(target)
  if (lookup === 'unknown' || isMeant)
    return [warning('root-needs-initrd', `${summary}; it starts only if it has an initramfs built in`)]
  return [
    refusal(
      new KexecError(summary, {
        reason: 'no-initrd',
        ...(target.entry === null ? {} : { path: target.entry.kernel ?? '' }),
        hint: `Name the initrd with ${optionName('initrd', 'FILE')}. For a kernel with an initramfs built in, add ${flagName('no-initrd')}.`,
        refused: true,
      }),
    ),
  ]
}
