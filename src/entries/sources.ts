import { bls } from './bls/systemd-boot.ts'
import { extlinux } from './extlinux/extlinux.ts'
import { grub } from './grub/grub.ts'
import { grubLegacy } from './grub-legacy/grub-legacy.ts'
import { limine } from './limine/limine.ts'
import { bootDir } from './places/boot-dir.ts'
import { kexecConf } from './places/kexec-conf.ts'
import { modulesDir } from './places/modules-dir.ts'
import { raspberryPi } from './raspberry-pi/raspberry-pi.ts'
import { refind } from './refind/refind.ts'
import type { EntrySource } from './survey/entry-source.ts'
import { zipl } from './zipl/zipl.ts'

/** Boot loaders whose configuration is a plain text, and the services that replace them at a reboot. */
const textLoaders: readonly EntrySource[] = [extlinux, grubLegacy, zipl, limine, refind, raspberryPi, kexecConf]

/** Every source, the best informed first: each sees the entries of those before it. */
export const sources: readonly EntrySource[] = [grub, bls, ...textLoaders, bootDir, modulesDir]
