import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { detectPolicy } from '../../../src/policy/detect.ts'
import { System } from '../../../src/system/system.ts'
import { archiveOf, recordedOutcome, recordedOutcomes, scenarios, tableOnPage } from '../../vm/modes/fixtures.ts'
import { foretell, leftOpen, unpackCapture, wrongVerdicts } from '../../vm/modes/foretell.ts'
import { tableOf } from '../../vm/modes/table.ts'

/** Real machines, as test/vm/signature-modes.test.ts recorded them: their files, and what their kernels did. */
const directory = mkdtempSync(join(tmpdir(), 'linux-kexec-captures-'))
afterAll(() => rmSync(directory, { recursive: true }))

describe.each(scenarios.map(({ name }) => name))('%s', (name) => {
  const recorded = recordedOutcome(name)
  const { unknowable, kexecLoad } = recorded
  const offered = Object.keys(recorded.images)
  const root = join(directory, name)
  unpackCapture(archiveOf(name), root)

  test('what is predicted is what the kernel did', () => {
    const verdicts = foretell(root, offered)
    expect(wrongVerdicts(verdicts, recorded)).toEqual([])
    if (unknowable === null) expect(leftOpen(verdicts)).toEqual([])
    else expect(leftOpen(verdicts).length, unknowable).toBeGreaterThan(0)
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
      const [path, aside] = [join(root, file), join(directory, 'aside')]
      renameSync(path, aside)
      mkdirSync(path)
      const wrong = wrongVerdicts(foretell(root, offered), recorded)
      problems.push(...wrong.map((problem) => `without ${file}: ${problem}`))
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
