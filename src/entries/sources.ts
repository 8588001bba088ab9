import { bls } from './bls/systemd-boot.ts'
import { bootDir } from './boot-dir.ts'
import { extlinux } from './extlinux.ts'
import { grub } from './grub/grub.ts'
import { grubLegacy } from './grub-legacy.ts'
import { kexecConf } from './kexec-conf.ts'
import { limine } from './limine.ts'
import { modulesDir } from './modules-dir.ts'
import { raspberryPi } from './raspberry-pi.ts'
import { refind } from './refind.ts'
import type { EntrySource } from './source.ts'
import { zipl } from './zipl.ts'

/** Boot loaders whose configuration is a plain text, and the services that take their place at a reboot. */
const textLoaders: readonly EntrySource[] = [extlinux, grubLegacy, zipl, limine, refind, raspberryPi, kexecConf]

/** Every source, the one that knows most first: each sees what those before it found. */
export const sources: readonly EntrySource[] = [grub, bls, ...textLoaders, bootDir, modulesDir]
