import { bls } from './bls/systemd-boot.ts'
import { bootDir } from './boot-dir.ts'
import { extlinux } from './extlinux.ts'
import { grub } from './grub/grub.ts'
import { grubLegacy } from './grub-legacy.ts'
import { modulesDir } from './modules-dir.ts'
import type { EntrySource } from './source.ts'

/** Every source, the one that knows most first: each sees what those before it found. */
export const sources: readonly EntrySource[] = [grub, bls, extlinux, grubLegacy, bootDir, modulesDir]
