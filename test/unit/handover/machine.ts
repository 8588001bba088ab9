import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach } from 'vitest'
import { System } from '../../../src/system/system.ts'

export const program = {
  node: '/usr/bin/node',
  command: '/usr/lib/node_modules/linux-kexec/dist/linux-kexec.cjs',
}

/** linux-kexec as npm installs it, as files for `machine`. */
export const installed: Record<string, string | null> = {
  [program.node]: '',
  [program.command]: '',
  '/usr/bin/linux-kexec': '->../lib/node_modules/linux-kexec/dist/linux-kexec.cjs',
}

const roots: string[] = []
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true })
})

/** A machine with these files; a value that starts with '->' is a link, with '#!' a program, null a directory. */
export function machine(files: Record<string, string | null>): System {
  const root = mkdtempSync(join(tmpdir(), 'linux-kexec-handover-'))
  roots.push(root)
  for (const [path, content] of Object.entries(files)) {
    const file = join(root, path)
    mkdirSync(content === null ? file : dirname(file), { recursive: true })
    if (content?.startsWith('->')) symlinkSync(content.slice(2), file)
    else if (content !== null) writeFileSync(file, content)
    if (content?.startsWith('#!')) chmodSync(file, 0o755)
  }
  return new System(root)
}
