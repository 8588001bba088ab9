import { ProvisionError } from '../host/process.ts'
import type { Architecture } from '../machine/architectures.ts'
import type { Flash } from '../machine/qemu.ts'
import { DebianMirror, type Progress, packageFile } from '../provision/debian.ts'

/** Debian's build of edk2 for QEMU, with no keys: it checks no signatures. @throws ProvisionError where there is none. */
export async function plainFirmware({ name, firmware }: Architecture, progress: Progress): Promise<Flash> {
  if (firmware === undefined) throw new ProvisionError(`Debian has no UEFI firmware for ${name} guests`)
  const part = await firmwarePackage(firmware.package, progress)
  return { code: await part(firmware.code), variables: await part(firmware.variables) }
}

/**
 * Fetches firmware from the machine's own mirror. Newer suites split ovmf: the package itself is empty and depends on the parts.
 * @returns finds a file of it below /usr/share; that throws ProvisionError where none of the packages has it
 */
export async function firmwarePackage(name: string, progress: Progress): Promise<(file: string) => Promise<string>> {
  const mirror = await DebianMirror.open({ progress })
  const packages = await mirror.fetch([name], { dependencies: true })
  return async (file) => {
    for (const { directory } of packages) {
      const found = await packageFile(directory, `share/${file}`).catch(() => undefined)
      if (found !== undefined) return found
    }
    throw new ProvisionError(`${name} and what it depends on hold no share/${file}`)
  }
}
