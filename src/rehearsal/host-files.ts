import { mkdir, mkdtemp, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KexecError } from '../errors.ts'

/** QCOW_MAGIC, block/qcow2.h of QEMU. */
const QCOW2 = Buffer.from('QFI\xfb', 'latin1')

/** Makes the directory for the files of a rehearsal. @param keep the one that keeps them @throws KexecError */
export async function makeDirectory(keep: string | undefined): Promise<string> {
  if (keep === undefined) return mkdtemp(join(tmpdir(), 'linux-kexec-rehearsal-'))
  try {
    await mkdir(keep, { mode: 0o700 })
  } catch (cause) {
    const isThere = (cause as NodeJS.ErrnoException).code === 'EEXIST'
    throw new KexecError(
      isThere
        ? 'the directory to keep the files in is there already'
        : 'the directory to keep the files in cannot be made',
      {
        reason: isThere ? 'invalid-argument' : 'io',
        path: keep,
        hint: 'Name a new directory, in one that is there.',
        refused: true,
        cause,
      },
    )
  }
  return keep
}

/** QEMU's arguments for a disk that is written to in memory only. @throws KexecError for a file that cannot be read */
export async function rootDisk(image: string | undefined): Promise<string[]> {
  if (image === undefined) return []
  const format = (await headOf(image)).equals(QCOW2) ? 'qcow2' : 'raw'
  return ['-drive', `if=virtio,format=${format},snapshot=on,file=${image.replaceAll(',', ',,')}`]
}

async function headOf(image: string): Promise<Buffer> {
  try {
    const file = await open(image)
    const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0).finally(() => file.close())
    return buffer
  } catch (cause) {
    const { code = 'EIO' } = cause as NodeJS.ErrnoException
    throw new KexecError('the root image cannot be read', {
      reason: code === 'ENOENT' ? 'not-found' : 'not-readable',
      code,
      path: image,
      hint: 'Name a disk image, raw or qcow2, that this user may read.',
      refused: true,
      cause,
    })
  }
}
