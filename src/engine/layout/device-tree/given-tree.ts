import { chosenNode, type DeviceTree } from '../../../device-tree/tree.ts'
import { KexecError } from '../../../errors.ts'
import { without } from '../../../system/memory-ranges.ts'
import type { System } from '../../../system/system.ts'
import { withoutBoot } from './handed-over.ts'
import { hasEfiMap, memoryNode, memoryNodes, memoryRanges, reservedRanges } from './memory.ts'
import { readRunningTree } from './running-tree.ts'

/**
 * The tree that the new kernel gets: the running one, or a given one completed by the facts of this machine's boot
 * loader.
 * @throws KexecError as `readRunningTree`
 */
export function machineTree(
  system: System,
  given: DeviceTree | null,
): { tree: DeviceTree; running: DeviceTree | null } {
  if (given === null) {
    const tree = readRunningTree(system)
    return { tree, running: tree }
  }
  const running = runningTreeIfAny(system)
  return { tree: running === null ? given : adopted(given, running), running }
}

function runningTreeIfAny(system: System): DeviceTree | null {
  try {
    return readRunningTree(system)
  } catch (error) {
    if (error instanceof KexecError && error.reason === 'not-found') return null
    throw error
  }
}

/**
 * A tree as built, .dtb, has only the values for memory and firmware that all boards of its kind share; the boot loader
 * fills in the rest. So these come from the running tree: the place of EFI's tables, the memory where the given tree
 * has none, and the reserved ranges.
 */
export function adopted(given: DeviceTree, running: DeviceTree): DeviceTree {
  const made = withoutBoot(given)
  const cleaned = withoutBoot(running)
  const chosen = chosenNode(made)
  for (const [name, value] of chosenNode(cleaned).properties) {
    if (name.startsWith('linux,uefi-') && !chosen.properties.has(name)) chosen.properties.set(name, value)
  }
  if (!hasEfiMap(made) && memoryRanges(made).length === 0) replaceMemory(made, running)
  const others = without(reservedRanges(cleaned), reservedRanges(made))
  const added = others.map(({ start, end }) => ({ address: BigInt(start), size: BigInt(end - start) }))
  return { ...made, reservations: [...made.reservations, ...added] }
}

/** Memory nodes without memory would hide one that has some. */
function replaceMemory({ root }: DeviceTree, running: DeviceTree): void {
  const empty = memoryNodes({ root })
  const others = root.children.filter((node) => !empty.includes(node))
  const nodes = memoryRanges(running).flatMap((range) => memoryNode(range, root) ?? [])
  root.children.splice(0, root.children.length, ...others, ...nodes)
}
