import { bls } from './bls/systemd-boot.ts'
import { bootDir } from './boot-dir.ts'
import { modulesDir } from './modules-dir.ts'
import type { EntrySource } from './source.ts'

/** Every source, the one that knows most first: each sees what those before it found. */
export const sources: readonly EntrySource[] = [bls, bootDir, modulesDir]
