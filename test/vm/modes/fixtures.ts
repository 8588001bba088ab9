import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SignatureReport } from '../../../src/image/signature/cms/report.ts'
import { arm64 } from './arm64.ts'
import type { ImageName, ModeImages } from './images.ts'
import type { ScenarioOutcome } from './outcome.ts'
import { machines, type Scenario } from './scenarios.ts'

/** Captures of the machines and what they did: test/fixtures/policy/README.md. */
export const fixtures = join(import.meta.dirname, '../../fixtures/policy/captures')

/** The page that holds the table. */
export const page = join(import.meta.dirname, '../../../docs/signature-modes.md')

export const scenarios: readonly Scenario[] = [...machines.flatMap(({ scenarios }) => scenarios), arm64]

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

/** An image that the recorded machines were offered. */
export interface RecordedImage {
  /** What our library says of its signatures. */
  readonly signatures: SignatureReport
  /** Its security.ima, hexadecimal, on machines that appraise. */
  readonly attribute: string | null
}

export function recordedImages(): Readonly<Record<ImageName, RecordedImage>> {
  return readJson(join(fixtures, 'images.json'))
}

export function recordImages({ reports, attribute }: ModeImages): void {
  mkdirSync(fixtures, { recursive: true })
  const images = Object.entries(reports).map(([name, signatures]) => [
    name,
    { signatures, attribute: name === 'appraised' ? attribute : null },
  ])
  writeJson(join(fixtures, 'images.json'), Object.fromEntries(images))
}

/** The outcomes that are recorded, in the order of the scenarios. */
export function recordedOutcomes(): ScenarioOutcome[] {
  return scenarios.filter(({ name }) => existsSync(archiveOf(name))).map(({ name }) => recordedOutcome(name))
}

const table = /(?<=<!-- table -->\n)[\s\S]*?(?=<!-- end of the table -->)/

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
