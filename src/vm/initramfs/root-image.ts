import { open, stat } from 'node:fs/promises'
import { cpioHeader, cpioTrailer, fileTypes } from '../../initrd/cpio.ts'
import { copyContents, type ImageEntry, writeArchive } from './cpio.ts'
import { LARGE_FILES } from './scripts.ts'

/** Contents of large files begin on multiples of this, in bytes; files are large from here on. Stage 1 knows it as 1M. */
const BLOCK = 1024 * 1024

/** A host file that is copied by itself. */
interface LargeFile {
  readonly path: string
  readonly source: string
  readonly size: number
  readonly mode: number
}

/**
 * Writes the root file system: a cpio archive, and behind it one for each large file, with zeros between, as the kernel takes them in
 * an initrd too. In the first archive large files are empty, and LARGE_FILES says where their contents lie. Stage 1 copies these in
 * large pieces and without the page cache: Node then takes a quarter of the time that busybox's cpio takes to unpack it, which was
 * a fifth of a guest's boot.
 */
export async function writeRootImage(file: string, entries: readonly ImageEntry[]): Promise<void> {
  const large = await largeFiles(entries)
  const output = await open(file, 'ax', 0o644)
  try {
    const paths = new Set(large.map(({ path }) => path))
    const first = entries.map((entry) => (paths.has(entry.path) ? emptied(entry) : entry))
    await writeArchive(output, [...first, { path: LARGE_FILES, data: listOf(large) }])
    let block = Math.ceil((await output.stat()).size / BLOCK)
    for (const { path, source, size, mode } of large) {
      const header = cpioHeader(path.replace(/^\/+/, ''), { inode: 1, mode: fileTypes.regular | mode, size })
      block++
      await output.truncate(block * BLOCK - header.length)
      await output.write(header)
      await copyContents(source, output, size)
      await output.write(cpioTrailer())
      block += blocks(size)
    }
    await output.truncate((block + 1) * BLOCK)
  } finally {
    await output.close()
  }
}

async function largeFiles(entries: readonly ImageEntry[]): Promise<LargeFile[]> {
  const found: LargeFile[] = []
  for (const entry of entries) {
    if (!('source' in entry) || (entry.uid ?? 0) !== 0 || (entry.gid ?? 0) !== 0) continue
    // GRUB reads the disk as a file system (firmware/grub.ts), and knows the first archive alone.
    if (entry.path.startsWith('/boot/')) continue
    const { size } = await stat(entry.source)
    if (size >= BLOCK) found.push({ path: entry.path, source: entry.source, size, mode: entry.mode ?? 0o644 })
  }
  return found
}

/**
 * A line for each large file: where its contents begin, in blocks from the end of the image; their length in blocks, and in bytes; the
 * path. Counted from the end, the numbers do not depend on the length of the list.
 */
function listOf(large: readonly LargeFile[]): string {
  let end = 1
  const lines: string[] = []
  for (const { path, size } of large.toReversed()) {
    end += blocks(size)
    lines.unshift(`${end} ${blocks(size)} ${size} ${path.replace(/^\/+/, '')}\n`)
    // The block before the contents, in which the header ends.
    end++
  }
  return lines.join('')
}

/** The entry without its contents: owner and permissions are those of the file in the end. */
function emptied({ path, mode = 0o644 }: ImageEntry): ImageEntry {
  return { path, mode, data: '' }
}

function blocks(size: number): number {
  return Math.ceil(size / BLOCK)
}
