import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SignatureReport } from '../../../src/image/signature/index.ts'
import type { ImageName } from './images.ts'
import type { ScenarioOutcome } from './outcome.ts'
import { machines, type Scenario } from './scenarios.ts'

/** Captures of the machines and what they did: test/fixtures/policy/README.md. */
export const fixtures = join(import.meta.dirname, '../../fixtures/policy')

/** The page that holds the table. */
export const page = join(import.meta.dirname, '../../../docs/signature-modes.md')

export const scenarios: readonly Scenario[] = machines.flatMap(({ scenarios }) => scenarios)

/** Path of a scenario's archive of files. */
export function archiveOf(name: string): string {
  return join(fixtures, name, 'tree.tar.gz')
}

/** @throws when the scenario has not been captured */
export function recordedOutcome(name: string): ScenarioOutcome {
  return readJson(join(fixtures, name, 'outcome.json'))
}

export function recordOutcome(name: string, outcome: ScenarioOutcome): void {
  mkdirSync(join(fixtures, name), { recursive: true })
  writeJson(join(fixtures, name, 'outcome.json'), outcome)
}

/** What our library says of the signatures of the images that the recorded machines were offered. */
export function recordedReports(): Readonly<Record<ImageName, SignatureReport>> {
  return readJson(join(fixtures, 'images.json'))
}

export function recordReports(reports: Readonly<Record<ImageName, SignatureReport>>): void {
  mkdirSync(fixtures, { recursive: true })
  writeJson(join(fixtures, 'images.json'), reports)
}

/** The outcomes that are recorded, in the order of the scenarios. */
export function recordedOutcomes(): ScenarioOutcome[] {
  return scenarios.filter(({ name }) => existsSync(archiveOf(name))).map(({ name }) => recordedOutcome(name))
}

const table = /(?<=<!-- table -->\n)[^]*?(?=<!-- end of the table -->)/

export function tableOnPage(): string {
  return table.exec(readFileSync(page, 'utf8'))?.[0] ?? ''
}

export function writeTable(text: string): void {
  writeFileSync(
    page,
    readFileSync(page, 'utf8').replace(table, () => text),
  )
}

function readJson<Document>(path: string): Document {
  return JSON.parse(readFileSync(path, 'utf8')) as Document
}

function writeJson(path: string, document: unknown): void {
  writeFileSync(path, `${JSON.stringify(document, null, 2)}\n`)
}
