import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type BootEntry, readBootMenu } from '../../../../src/entries/index.ts'
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
    const { entries } = await readBootMenu({ system: new System(machineWith(grubScript(name))), identify })
    const menu = entries.filter(({ sources }) => sources.includes('grub') || sources.includes('bls'))
    expect(menu.map(comparable)).toEqual(judged?.entries.map(ofJudge))
    const chosen = menu.findIndex(({ isDefault }) => isDefault)
    expect(chosen === -1 ? null : chosen).toBe(judged?.default)
  })
})

function comparable({ submenus, title, kernel, initrds, cmdline, devicetree }: BootEntry) {
  return { submenus, title, kernel, initrds, cmdline: cmdline ?? '', devicetree: devicetree ?? null }
}

/** The judge's GRUB has no Linux to load: it prints what the command is given. */
function ofJudge({ submenus, title, kernel, initrds, cmdline, devicetree }: JudgedEntry) {
  return { submenus, title, kernel, initrds, cmdline: cmdline ?? '', devicetree: devicetree ?? null }
}
