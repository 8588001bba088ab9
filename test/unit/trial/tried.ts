import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { BootEntry } from '../../../src/entries/model/entry.ts'
import type { System } from '../../../src/system/system.ts'
import type { Tried } from '../../../src/trial/rollback.ts'
import { fixtureSystem } from '../entries/fixtures.ts'
import { lengthen } from '../plan/debian.ts'

/** Debian with three kernels, or another tree of a real GRUB, whose kernels have their full length. */
export function machineWith(name: string): System {
  const system = fixtureSystem(name)
  wholeKernels(system, 'boot')
  return system
}

/** Gives the kernels below a directory their full length. */
export function wholeKernels(system: System, directory: string): void {
  const inside = readdirSync(join(system.root, directory), { recursive: true, withFileTypes: true })
  for (const file of inside)
    if (file.isFile() && /^(?:vmlinuz|linux$)/.test(file.name)) lengthen(join(file.parentPath, file.name))
}

/** What loading an entry would start. */
export function triedOf({ kernel, version, initrds, commandLine }: BootEntry): Tried {
  return { kernel, release: version, initrds, inMemory: null, commandLine: commandLine ?? '' }
}
