import { FileTree } from '../../vm/initramfs/tree.ts'

/** SHA-256, in hex, of the names, permissions and bytes of everything in a directory, as an initrd gets it. */
export async function directoryHash(path: string): Promise<string> {
  const tree = new FileTree()
  await tree.addDirectory(path, '/')
  return tree.hash()
}
