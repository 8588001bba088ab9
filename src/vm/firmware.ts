import type { Architecture } from './architectures.ts'
import { DebianMirror, type Progress, packageFile } from './debian.ts'
import { ProvisionError } from './process.ts'
import type { Flash } from './qemu.ts'

/** Debian's build of edk2 for QEMU, with no keys: it checks no signatures. @throws ProvisionError where there is none. */
export async function plainFirmware({ name, firmware }: Architecture, progress: Progress): Promise<Flash> {
  if (firmware === undefined) throw new ProvisionError(`Debian has no UEFI firmware for ${name} guests`)
  const mirror = await DebianMirror.open({ progress })
  const [edk2] = await mirror.fetch([firmware.package], { dependencies: false })
  const part = (file: string) => packageFile(edk2?.folder ?? '', `share/${file}`)
  return { code: await part(firmware.code), variables: await part(firmware.variables) }
}
