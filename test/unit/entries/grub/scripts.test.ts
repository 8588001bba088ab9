import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { grub } from '../../../../src/entries/grub/grub.ts'
import type { FoundEntry } from '../../../../src/entries/model/found-entry.ts'
import { Survey } from '../../../../src/entries/survey/survey.ts'
import { System } from '../../../../src/system/system.ts'
import { identify } from '../tree.ts'
import { grubScript, grubScripts, type JudgedEntry, layGrubMachine, readJudgements } from './scripts.ts'

function machineWith(script: string): string {
  const root = mkdtempSync(join(tmpdir(), 'linux-kexec-grub-script-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  layGrubMachine(root)
  writeFileSync(join(root, 'boot/grub/grub.cfg'), script)
  return root
}

const judgements = readJudgements()

describe('what real GRUBs made of scripts, written down by test/vm/grub-scripts.test.ts', () => {
  test('each was judged', () => {
    expect(Object.keys(judgements).sort()).toEqual(grubScripts.names)
  })

  test.each(grubScripts.names)('%s', async (name) => {
    // Where GRUBs differ, the newest is meant.
    const judged = judgements[name]?.find(({ versions }) => versions.includes('2.14'))
    const [menu] = await grub.find(new Survey(new System(machineWith(grubScript(name))), identify), [])
    const entries = menu?.entries ?? []
    expect(entries.map(comparable)).toEqual(judged?.entries.map(comparable))
    const chosen = menu?.preset == null ? -1 : entries.indexOf(menu.preset.entry)
    expect(chosen === -1 ? null : chosen).toBe(judged?.default)
  })
})

/** The judge's GRUB has no Linux to load: it prints what the command is given. */
function comparable(entry: FoundEntry | JudgedEntry) {
  const { submenus = [], title, kernel, initrds, commandLine, deviceTree } = entry
  return { submenus, title, kernel, initrds, commandLine: commandLine ?? '', deviceTree: deviceTree ?? null }
}
