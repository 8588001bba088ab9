import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readSetupHeader, type SetupHeader } from '../../../../src/image/model/setup-header.ts'
import { System } from '../../../../src/system/system.ts'
import { makeTree, type Tree } from '../../entries/tree.ts'

const fixtures = join(import.meta.dirname, '../../../fixtures')

export type MachineName =
  | 'bios-6.1'
  | 'bios-6.12-5g'
  | 'uefi-6.1'
  | 'crash-6.12'
  | 'arm64-tree-6.1'
  | 'arm64-acpi-6.1'
  | 'riscv64-6.12'
  | 'armhf-6.12'
  | 'ppc64le-6.12'

/** Lays what a real machine told (test/fixtures/segments/README.md) over a root directory. */
export function layMachine(root: string, name: MachineName): void {
  execFileSync('tar', ['-xzf', join(fixtures, 'segments', `${name}.tar.gz`), '-C', root])
}

/** A real machine, with these files in place of its own. */
export function segmentMachine(name: MachineName, changed: Tree = {}): System {
  const root = makeTree({})
  layMachine(root, name)
  const others = makeTree(changed)
  execFileSync('cp', ['-a', `${others}/.`, root])
  return new System(root)
}

/** A bzImage with the head of Debian's 6.12 and nothing behind, as long as its header asks for. */
export function debianKernel(): { bytes: Buffer; header: SetupHeader } {
  const head = readFileSync(join(fixtures, 'kernels/vmlinuz-6.12.107+deb12-cloud-amd64.head'))
  const header = readSetupHeader(head)
  const bytes = Buffer.alloc(header.end)
  head.copy(bytes)
  bytes.fill('protected mode', header.setupSize, header.setupSize + 4096)
  return { bytes, header }
}
