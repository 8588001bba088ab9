import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { parseImaAttribute } from '../../../src/image/signature/index.ts'
import { detectPolicy, predict, type Verdict } from '../../../src/policy/index.ts'
import { System } from '../../../src/system/system.ts'
import {
  archiveOf,
  recordedImages,
  recordedOutcome,
  recordedOutcomes,
  scenarios,
  tableOnPage,
} from '../../vm/modes/fixtures.ts'
import type { ImageName } from '../../vm/modes/images.ts'
import { tableOf } from '../../vm/modes/table.ts'

/** Real machines, as test/vm/signature-modes.test.ts recorded them: their files, and what their kernels did. */
const folder = mkdtempSync(join(tmpdir(), 'linux-kexec-captures-'))
afterAll(() => rmSync(folder, { recursive: true }))

const TMPFS = 0x01021994

const images = recordedImages()

function unpack(name: string): string {
  const root = join(folder, name)
  mkdirSync(root)
  execFileSync('tar', ['-C', root, '-xzf', archiveOf(name)])
  return root
}

function verdictsOn(root: string, names: readonly string[]): Map<string, Verdict> {
  const policy = detectPolicy({ system: new System(root) })
  const verdicts = names.map((name): [string, Verdict] => {
    const { signatures, attribute } = images[name as ImageName]
    const parsed = attribute === null ? null : parseImaAttribute(Buffer.from(attribute, 'hex'))
    const file = { owner: 0, fileSystem: TMPFS, attribute: parsed, digestMatches: null }
    return [name, predict(policy, { isPe: true, file, initrd: null }, signatures)]
  })
  return new Map(verdicts)
}

describe.each(scenarios.map(({ name }) => name))('%s', (name) => {
  const { images: outcomes, unknowable, kexecLoad } = recordedOutcome(name)
  const root = unpack(name)

  /** The verdicts that are another than what the kernel did; those that leave it open are none. */
  function wrong(verdicts: Map<string, Verdict>): string[] {
    return [...verdicts].flatMap(([image, { outcome, code, summary }]) => {
      const errno = outcomes[image as ImageName]?.errno ?? null
      if (outcome === 'cannot-tell' || (outcome === 'will-load' ? errno === null : errno === code)) return []
      return `${image}: ${outcome}, ${code}: ${summary}; the kernel: ${errno ?? 'taken'}`
    })
  }

  test('what is predicted is what the kernel did', () => {
    const verdicts = verdictsOn(root, Object.keys(outcomes))
    expect(wrong(verdicts)).toEqual([])
    const open = [...verdicts].flatMap(([image, { outcome }]) => (outcome === 'cannot-tell' ? [image] : []))
    if (unknowable === null) expect(open).toEqual([])
    else expect(open.length, unknowable).toBeGreaterThan(0)
  })

  test('so it is with kexec_load', () => {
    const policy = detectPolicy({ system: new System(root) })
    if (policy.capability === false || policy.namespaces.user === false) {
      expect(kexecLoad.errno).toBe('EPERM')
    } else if (unknowable === null) {
      const { mode, code } = policy.kexecLoad
      expect(mode === 'disabled' || mode === 'unsupported' ? code : 'EINVAL').toBe(kexecLoad.errno)
    }
  })

  test('a file that cannot be read leads to no wrong prediction', () => {
    const problems: string[] = []
    for (const file of filesBelow(root)) {
      const [path, aside] = [join(root, file), join(folder, 'aside')]
      renameSync(path, aside)
      mkdirSync(path)
      problems.push(...wrong(verdictsOn(root, Object.keys(outcomes))).map((problem) => `without ${file}: ${problem}`))
      rmSync(path, { recursive: true })
      renameSync(aside, path)
    }
    expect(problems).toEqual([])
  })
})

function filesBelow(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [join(entry.parentPath, entry.name).slice(root.length + 1)] : [],
  )
}

test('docs/signature-modes.md has the table of what was recorded', () => {
  expect(recordedOutcomes().length).toBe(scenarios.length)
  expect(tableOnPage()).toBe(tableOf(recordedOutcomes()))
})
