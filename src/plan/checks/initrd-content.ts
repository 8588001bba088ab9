import { KexecError } from '../../errors.ts'
import { checkInitrdContent } from '../../initrd/content.ts'
import type { InitrdChoice } from '../context/initrds.ts'
import type { Findings } from '../model/decision.ts'

/** Refuses what no kernel takes as an initrd, and tells what it will not unpack. Reads little of each. */
export async function checkInitrds({ initrds, overlay }: InitrdChoice, findings: Findings): Promise<void> {
  for (const { path, source, file, image, isWrapped } of initrds) {
    if (source === null) continue
    const { description, isArchive, refusal, warnings } = await checkInitrdContent(
      source,
      (isWrapped ? image : file?.image)?.description,
    )
    for (const warning of warnings) findings.warn(`${path} ${warning}`)
    if (refusal !== null) {
      const { summary, hint } = refusal
      findings.refuse(new KexecError(summary, { reason: 'not-an-initrd', path, hint, refused: true }))
    } else if (!isArchive && overlay.length > 0) {
      findings.warn(`${path} is ${description}, not an archive that is unpacked: the overlay will not be seen`)
    }
  }
}
