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
  const boot = join(system.root, 'boot')
  for (const file of readdirSync(boot)) if (file.startsWith('vmlinuz')) lengthen(join(boot, file))
  return system
}

/** What loading an entry would start. */
export function triedOf({ kernel, version, initrds, commandLine }: BootEntry): Tried {
  return { kernel, release: version, initrds, commandLine: commandLine ?? '' }
}
