import { KexecError } from '../../errors.ts'
import { checkInitrdContent } from '../../initrd/content.ts'
import type { PlannedInitrds } from '../context/initrds.ts'
import { type Remark, remarksOn } from '../model/remark.ts'

const { warning, refusal } = remarksOn('initrd')

/**
 * Refuses content that no kernel takes as an initrd, and warns of content that the new kernel will not unpack. Reads
 * little of each.
 */
export async function checkInitrds({ archives, overlay }: PlannedInitrds): Promise<Remark[]> {
  const remarks: Remark[] = []
  for (const { path, source, file, image, isWrapped } of archives) {
    if (source === null) continue
    const known = (isWrapped ? image : file?.image)?.description
    const content = await checkInitrdContent(source, known)
    remarks.push(...content.warnings.map(({ code, text }) => warning(code, `${path} ${text}`)))
    if (content.refusal !== null) {
      const { summary, hint } = content.refusal
      remarks.push(refusal(new KexecError(summary, { reason: 'not-an-initrd', path, hint, refused: true })))
    } else if (!content.isArchive && overlay.length > 0) {
      const text = `${path} is ${content.description}, not an archive that is unpacked: the overlay will not be seen`
      remarks.push(remarksOn('overlay').warning('overlay-not-unpacked', text))
    }
  }
  return remarks
}
