import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { MatrixOutcome, MatrixRecord, MatrixResult } from '../../../src/matrix/model/cell.ts'
import { kernelOf } from '../entries/tree.ts'

/** A directory that is gone after the test. */
export function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'linux-kexec-matrix-test-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A directory with x86_64 kernels of these releases, by their names. */
export function kernelDirectory(...releases: readonly string[]): string {
  const directory = newDirectory()
  for (const release of releases) writeFileSync(join(directory, release), kernelOf(release))
  return directory
}

export function result(more: Partial<MatrixResult> = {}): MatrixResult {
  return {
    ...{ from: '6.1', to: '6.12', architecture: 'x86_64', engine: 'file', variant: '' },
    ...{ outcome: { kind: 'passed' }, cause: null, words: 'the new kernel reached userspace' },
    ...{ command: 'linux-kexec rehearse /boot/vmlinuz', commandLine: 'console=ttyS0', loadedBy: 'file' },
    ...{ key: 'ab'.repeat(32), at: '2026-11-30T17:00:00.000Z', milliseconds: 23_456, console: '' },
    ...{ phases: { 'first boot': 5000, load: 4000 }, report: null, accelerator: 'tcg' },
    tools: { linuxKexec: '0.1.0', node: 'v20.20.2', qemu: 'QEMU emulator version 7.2.22' },
    ...more,
  }
}

export function failed(outcome: MatrixOutcome, more: Partial<MatrixResult> = {}): MatrixResult {
  return result({ outcome, words: `it is ${outcome.kind}`, cause: 'A cause.', ...more })
}

export function record(cells: readonly MatrixResult[], name = 'Kernels'): MatrixRecord {
  const passed = cells.filter(({ outcome }) => outcome.kind === 'passed').length
  const notRun = cells.filter(({ outcome }) => outcome.kind === 'not-run').length
  return {
    ...{ name, began: '2026-11-30T16:00:00.000Z', ended: '2026-11-30T17:00:00.000Z', interrupted: false, cells },
    counts: { all: cells.length, passed, failed: cells.length - passed - notRun, notRun, kept: 0 },
  }
}
