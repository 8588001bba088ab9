import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { detectPolicy } from '../../src/policy/detect.ts'
import { System } from '../../src/system/system.ts'
import { type Kernel, newestKernels } from '../../src/vm/index.ts'
import { debianGuest } from './guests.ts'
import { arm64, runArm64 } from './modes/arm64.ts'
import { writeCapture } from './modes/capture.ts'
import { conduct, predictProgram, type Run } from './modes/conduct.ts'
import { libraryDependencies } from './modes/dependencies.ts'
import { Ending } from './modes/ending.ts'
import {
  archiveOf,
  recordedOutcome,
  recordedOutcomes,
  recordImages,
  recordOutcome,
  scenarios,
  writeTable,
} from './modes/fixtures.ts'
import { foretell, unpackCapture, wrongVerdicts } from './modes/foretell.ts'
import { type ImageName, makeImages } from './modes/images.ts'
import type { CallOutcome, ScenarioOutcome } from './modes/outcome.ts'
import { machines } from './modes/scenarios.ts'
import { tableOf } from './modes/table.ts'

/**
 * Every mode in which a kernel may be asked to start another, on real Debian kernels: what we say beforehand has to be what
 * the kernel does. `UPDATE_POLICY=1` records the machines for the tests of the policy engine (test/fixtures/policy), and
 * `ONLY_MODE=lockdown` starts only those machines that have a scenario of such a name.
 */
const isUpdate = process.env['UPDATE_POLICY'] !== undefined
const only = process.env['ONLY_MODE'] ?? ''
const chosen = machines.filter(({ scenarios }) => scenarios.some(({ name }) => name.includes(only)))

/** There are two cores at least. */
const AT_ONCE = 2

const build = join(import.meta.dirname, '../../build')
/** How each scenario ended, by its name: its own tests wait for it alone, however many others its machine goes through. */
const endings = new Map(scenarios.map(({ name }) => [name, new Ending()]))

beforeAll(async () => {
  const [older, newer] = (await newestKernels()) as [Kernel, Kernel]
  const images = await makeImages(join(build, 'signature-modes'), newer, older)
  const guest = await debianGuest({
    modules: ['efivarfs'],
    packages: ['attr', 'keyutils'],
    files: [...images.entries, ...libraryDependencies(), ...programs()],
  })
  const waiting = [...chosen]
  const next = (): void => {
    const machine = waiting.shift()
    if (machine === undefined) return
    const failed = (error: unknown) => {
      for (const { name } of machine.scenarios) endings.get(name)?.fail(error)
    }
    // The tests of its scenarios report how it ended; the next one starts in any case.
    void conduct(machine, guest, images, { withCapture: isUpdate, onRun: keep }).catch(failed).then(next)
  }
  for (let count = 0; count < AT_ONCE; count++) next()
  if (isUpdate) recordImages(images)
})

/** Programs that are put into the guest: statically linked, so that they run on any. */
function programs() {
  const tryKexec = join(build, 'try-kexec')
  const source = join(import.meta.dirname, 'modes/try-kexec.c')
  execFileSync('gcc', ['-static', '-O2', '-Wall', '-Wextra', '-Werror', '-o', tryKexec, source])
  return [
    { path: '/images/predict.mjs', data: predictProgram },
    { path: '/usr/local/bin/try-kexec', source: tryKexec, mode: 0o755 },
    { path: '/usr/local/bin/deny_kexec', source: join(build, 'Release/deny_kexec'), mode: 0o755 },
  ]
}

function keep(run: Run): void {
  endings.get(run.scenario.name)?.reach(run)
  if (run.captured === null) return
  recordOutcome(run.scenario.name, run.outcome)
  writeCapture(archiveOf(run.scenario.name), run.captured)
}

afterAll(() => {
  const seen = scenarios.flatMap(({ name }) => endings.get(name)?.run?.outcome ?? [])
  console.log(`\n${tableOf(seen)}`)
  if (isUpdate) writeTable(tableOf(recordedOutcomes()))
})

const errnos = ({ images, kexecLoad }: ScenarioOutcome) =>
  Object.fromEntries(
    [...Object.entries(images), ['kexec_load', kexecLoad] as const].map(([name, { errno }]) => [name, errno]),
  )

describe.each(chosen.flatMap((machine) => machine.scenarios))('$name', ({ name, within, unknowable }) => {
  let run: Run
  beforeAll(async () => {
    run = await (endings.get(name) as Ending).reached
  })

  test('the kernel does what is recorded of it', () => {
    expect(errnos(run.outcome)).toEqual(errnos(recordedOutcome(name)))
  })

  test('every image: what is said beforehand is what the kernel does', () => {
    const outcomes: string[] = []
    for (const [image, { outcome, code, summary }] of Object.entries(run.verdicts)) {
      outcomes.push(outcome)
      if (unknowable !== undefined && outcome === 'cannot-tell') continue
      const { errno } = run.outcome.images[image as ImageName] as CallOutcome
      const done = { outcome: errno === null ? 'will-load' : 'will-be-refused', code: errno }
      expect({ outcome, code }, `${image}: ${summary}`).toEqual(done)
    }
    if (unknowable !== undefined) expect(outcomes, unknowable).toContain('cannot-tell')
  })

  test('so it is with kexec_load', () => {
    const { mode, code, why } = run.policy.kexecLoad
    // What the process may not do is said apart from what the machine does.
    if (within !== undefined || (unknowable !== undefined && mode === 'unknown')) return
    const said = mode === 'disabled' || mode === 'unsupported' ? code : 'EINVAL'
    expect({ mode, said }, why).toEqual({ mode, said: run.outcome.kexecLoad.errno })
  })

  test('whatever is refused is explained by its cause', () => {
    for (const [image, error] of Object.entries(run.errors)) {
      const { summary, hint, reason, evidence, code } = error
      expect({ image, code }).toEqual({ image, code: run.outcome.images[image as ImageName]?.errno })
      expect([image, reason], summary).not.toContain('kernel-refused')
      const verdict = run.verdicts[image as ImageName]
      if (verdict?.outcome === 'will-be-refused') expect({ image, reason }).toEqual({ image, reason: verdict.reason })
      expect(hint, image).toBeTruthy()
      expect(evidence.length, image).toBeGreaterThan(0)
    }
  })

  test('the commands say what the library says', () => {
    if (run.commands === null) return
    const { policy, plan } = run.commands
    expect({ ...policy, schemaVersion: undefined }).toEqual({ ...run.policy, schemaVersion: undefined })
    expect(plan.verdict).toEqual(Object.values(run.verdicts)[0])
  })

  test('nothing said beforehand has changed the machine', () => {
    expect(run.states[1]).toBe(run.states[0])
  })
})

// The harness does not run it, and so Node is not in it: what would be said is asked of the files that it showed.
test.runIf(arm64.name.includes(only))('arm64, where the kernel has no kexec_file_load', async () => {
  const { outcome, captured } = await runArm64()
  if (isUpdate) {
    recordOutcome(arm64.name, outcome)
    writeCapture(archiveOf(arm64.name), captured)
    writeTable(tableOf(recordedOutcomes()))
  }
  expect(errnos(outcome)).toEqual(errnos(recordedOutcome(arm64.name)))
  const directory = mkdtempSync(join(tmpdir(), 'linux-kexec-arm64-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const root = join(directory, 'root')
  unpackCapture(captured, root)
  const verdicts = foretell(root, ['signed'])
  expect(verdicts.get('signed')).toMatchObject({ outcome: 'will-be-refused', reason: 'no-kexec-support' })
  expect(wrongVerdicts(verdicts, outcome)).toEqual([])
  expect(detectPolicy({ system: new System(root) }).kexecLoad.mode).not.toMatch(/unsupported|disabled/)
})
