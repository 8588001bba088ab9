import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { parseImaAttribute } from '../../../src/image/signature/ima.ts'
import { detectPolicy } from '../../../src/policy/detect.ts'
import { type LoadVerdict, predictAnswer } from '../../../src/policy/verdict/predict.ts'
import { System } from '../../../src/system/system.ts'
import { type RecordedImage, recordedImages } from './fixtures.ts'
import type { ImageName } from './images.ts'
import type { ScenarioOutcome } from './outcome.ts'

/** TMPFS_MAGIC, include/uapi/linux/magic.h: guests keep their files in memory. */
const TMPFS = 0x01021994

/** Unpacks what was captured of a machine. @param archive a file, or its content */
export function unpackCapture(archive: string | Buffer, root: string): void {
  mkdirSync(root)
  if (typeof archive === 'string') execFileSync('tar', ['-C', root, '-xzf', archive])
  else execFileSync('tar', ['-C', root, '-xzf', '-'], { input: archive })
}

/** What is said of images that are offered to a captured machine. */
export function foretell(
  root: string,
  names: readonly string[],
  images: Readonly<Record<ImageName, RecordedImage>> = recordedImages(),
): Map<string, LoadVerdict> {
  const policy = detectPolicy({ system: new System(root) })
  const verdicts = names.map((name): [string, LoadVerdict] => {
    const { signatures, attribute } = images[name as ImageName]
    const parsed = attribute === null ? null : parseImaAttribute(Buffer.from(attribute, 'hex'))
    const file = { owner: 0, fileSystem: TMPFS, attribute: parsed, digestMatches: null }
    return [name, predictAnswer(policy, { isPe: true, file, initrd: null }, signatures)]
  })
  return new Map(verdicts)
}

/** The verdicts that are another than what the kernel did; one that leaves it open is none of them. */
export function wrongVerdicts(
  verdicts: Map<string, LoadVerdict>,
  { images }: Pick<ScenarioOutcome, 'images'>,
): string[] {
  return [...verdicts].flatMap(([image, { outcome, code, summary }]) => {
    const errno = images[image as ImageName]?.errno ?? null
    if (outcome === 'cannot-tell' || (outcome === 'will-load' ? errno === null : errno === code)) return []
    return `${image}: ${outcome}, ${code}: ${summary}; the kernel: ${errno ?? 'taken'}`
  })
}

/** The images of which nothing is said. */
export function leftOpen(verdicts: Map<string, LoadVerdict>): string[] {
  return [...verdicts].flatMap(([image, { outcome }]) => (outcome === 'cannot-tell' ? [image] : []))
}
