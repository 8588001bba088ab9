import { chosenNode, type DeviceTree } from '../../../device-tree/tree.ts'
import { KexecError } from '../../../errors.ts'
import { without } from '../../../system/memory-ranges.ts'
import type { System } from '../../../system/system.ts'
import { withoutBoot } from './handed-over.ts'
import { hasEfiMap, memoryNode, memoryNodes, memoryRanges, reservedRanges } from './memory.ts'
import { readRunningTree } from './running-tree.ts'

/**
 * The tree that the new kernel gets: the running one, or one from elsewhere with what only this machine's boot loader knows.
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
 * A tree as built, .dtb, says of memory and firmware at best what all boards of its kind have; the boot loader fills in the
 * rest. So that is taken from the running tree: where EFI's tables are, the memory where the given one has none, and what must
 * be left alone.
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

/** Nodes that say of no memory are in the way of one that does. */
function replaceMemory({ root }: DeviceTree, running: DeviceTree): void {
  const empty = memoryNodes({ root })
  const others = root.children.filter((node) => !empty.includes(node))
  const nodes = memoryRanges(running).flatMap((range) => memoryNode(range, root) ?? [])
  root.children.splice(0, root.children.length, ...others, ...nodes)
}
