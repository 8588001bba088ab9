import { parseCommandLine } from '../../cmdline/parse.ts'

/** The signs of the started system in a command line. */
export interface RootParameters {
  /** Of `root=`; null: not given. */
  readonly root: string | null
  /** Of `rootflags=subvol=`, without the slashes around it. */
  readonly subvolume: string | null
  /** The disks that are unlocked on the way to the root file system: their UUIDs, else the words as they are. */
  readonly disks: ReadonlySet<string>
  /** Name of the system whose deployment ostree starts. */
  readonly ostree: string | null
  /** The word that marks a live or an installation system. */
  readonly live: string | null
}

/** Words of live and installation systems: those of Debian, Ubuntu, Fedora, Arch, openSUSE. */
const live =
  /^(?:boot=(?:live|casper)|root=live:.*|rd\.live\.image|archisobasedir=.*|inst\.(?:stage2|repo)=.*|install=.*)$/

/** No kernel takes a longer command line; a hostile file may have one. In characters. */
const LONGEST = 8192

/** The last of several settings of a parameter counts. */
export function rootParameters(commandLine: string): RootParameters {
  const found = { root: null as string | null, subvolume: null as string | null, ostree: null as string | null }
  const disks = new Set<string>()
  let special: string | null = null
  for (const { key, value, raw } of parseCommandLine(commandLine.slice(0, LONGEST)).parameters) {
    if (live.test(raw)) special ??= raw
    if (value === null) continue
    if (key === 'root') found.root = value
    else if (key === 'rootflags') found.subvolume = subvolumeIn(value)
    else if (key === 'ostree') found.ostree = /^\/ostree\/boot[^/]*\/([^/]+)\//.exec(value)?.[1] ?? null
    else if (key === 'cryptdevice' || key === 'rd.luks.uuid' || key === 'rd.luks.name')
      disks.add(uuidIn(value) ?? value)
  }
  return { ...found, disks, live: special }
}

/** Without the slashes around it, since `subvol=` takes it with and without. */
export function bareSubvolume(path: string): string {
  return path.replace(/^\/+/, '').replace(/(.)\/$/, '$1')
}

function subvolumeIn(flags: string): string | null {
  const option = flags.split(',').find((word) => word.startsWith('subvol='))
  const path = option === undefined ? '' : bareSubvolume(option.slice('subvol='.length).replaceAll('"', ''))
  return path === '' ? null : path
}

/** 'luks-1234…', 'UUID=1234…:root' and '1234…=root' name the same disk. */
function uuidIn(word: string): string | undefined {
  return /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/i.exec(word)?.[0].toLowerCase()
}
