import type { ArchiveEntry } from '../../initrd/archive-entries.ts'
import { listArchive } from '../../initrd/archive-entries.ts'
import { overlayArchive } from '../../initrd/overlay.ts'
import { InitrdTree } from '../../initrd/tree.ts'
import type { PlannedInitrds } from '../context/initrds.ts'

/**
 * The files that the new kernel unpacks. Incomplete where a part is in an unknown compression, or in a kernel that must be unpacked.
 * @throws KexecError 'aborted'; 'invalid-argument' where a file of the initrd is in the way of an overlay
 */
export async function initrdTree(
  { archives, overlay }: PlannedInitrds,
  signal: AbortSignal | undefined,
): Promise<InitrdTree> {
  const tree = new InitrdTree()
  const see = ({ name, mode, target }: ArchiveEntry) => tree.add(name, mode, target)
  for (const { source } of archives)
    if (source === null || !(await listArchive(source, see, signal))) tree.isComplete = false
  // It enters its own files.
  overlayArchive(overlay, tree)
  return tree
}
