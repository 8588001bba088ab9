import { type ByteSource, partOf } from '../../bytes/bytes.ts'
import { stringOf } from '../../device-tree/look-up.ts'
import { listDeviceTree } from '../../device-tree/read.ts'
import type { UkiProfile } from '../../image/formats/uki.ts'
import { type PeSection, sectionSize } from '../../image/model/pe-sections.ts'
import type { System } from '../../system/system.ts'
import type { OpenAddon } from './companions.ts'
import { compatibleByHardware } from './hardware-ids.ts'
import type { UnifiedPart } from './part.ts'

/** The device tree that systemd-stub would have given to the kernel. */
export interface UnifiedDeviceTree extends UnifiedPart {
  /** Why this one, to complete "chosen because". */
  readonly reason: string
}

/** The machine's names in its own device tree, the most specific first; null when it was booted without one. */
export function runningCompatible(system: System): string | null {
  return system.readText('/sys/firmware/devicetree/base/compatible')?.split('\0')[0] || null
}

/** The places that sections are read from. */
interface Origin {
  readonly path: string
  readonly source: ByteSource
}

/**
 * Chooses as systemd-stub does: a .dtbauto for this machine (the profile's, else the image's), else the .dtb. The tree
 * of the last addon that has one replaces it.
 */
export function chooseDeviceTree(
  system: System,
  image: Origin,
  profile: UkiProfile,
  addons: readonly OpenAddon[],
): UnifiedDeviceTree | null {
  const fromAddon = addons
    .map(({ file, addon }) => chooseIn(system, file, [addon.sections], addon.sections))
    .findLast((tree) => tree !== null)
  return fromAddon ?? chooseIn(system, image, [profile.own, profile.base], profile.sections)
}

/**
 * @param places of .dtbauto sections; the first place with one for this machine counts
 */
function chooseIn(
  system: System,
  origin: Origin,
  places: readonly (readonly PeSection[])[],
  sections: readonly PeSection[],
): UnifiedDeviceTree | null {
  for (const place of places) {
    const trees = place.filter(({ name }) => name === '.dtbauto')
    if (trees.length === 0) continue
    const machine = machineName(system, origin.source, place)
    const chosen =
      machine === null ? undefined : trees.find((tree) => compatibleOf(origin, tree) === machine.compatible)
    if (chosen !== undefined && machine !== null) return located(origin, chosen, machine.reason)
  }
  const fixed = sections.find(({ name }) => name === '.dtb')
  return fixed === undefined ? null : located(origin, fixed, 'it is the only one that is not for a certain machine')
}

/** By the running device tree; where the machine was booted without one, by the .hwids entry for its SMBIOS. */
function machineName(
  system: System,
  source: ByteSource,
  place: readonly PeSection[],
): { readonly compatible: string; readonly reason: string } | null {
  const running = runningCompatible(system)
  if (running !== null) return { compatible: running, reason: `this machine is ${running} by its own device tree` }
  const table = place.find(({ name }) => name === '.hwids')
  if (table === undefined) return null
  const compatible = compatibleByHardware(system, partOf(source, table.offset, sectionSize(table)))
  return compatible === null ? null : { compatible, reason: `this machine is ${compatible} by .hwids` }
}

/** Only the first name of a tree counts, systemd-stub(7): the others name chips that many machines have. */
function compatibleOf({ source }: Origin, section: PeSection): string | null {
  const tree = listDeviceTree(partOf(source, section.offset, sectionSize(section)))
  return typeof tree === 'string' ? null : (stringOf(tree, 'compatible') ?? null)
}

function located({ path, source }: Origin, section: PeSection, reason: string): UnifiedDeviceTree {
  return { name: `${path}:${section.name}`, source: partOf(source, section.offset, sectionSize(section)), reason }
}
