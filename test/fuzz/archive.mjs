import { cpioHeader, cpioPadding, cpioTrailer, fileTypes } from '../../modules/initrd/cpio.js'

/** An uncompressed archive, with its trailer: of each name its text, `null` for a directory, `{ link }` for a symbolic link. */
export function archiveOf(members) {
  const parts = Object.entries(members).flatMap(([name, content], index) => {
    const isDirectory = content === null
    const text = Buffer.from(isDirectory ? '' : typeof content === 'string' ? content : content.link)
    const type = isDirectory ? fileTypes.directory : typeof content === 'string' ? fileTypes.regular : fileTypes.link
    const header = cpioHeader(name, { inode: index + 1, mode: type | 0o755, size: text.length })
    return [header, text, cpioPadding(text.length)]
  })
  return Buffer.concat([...parts, cpioTrailer()])
}
