import type { BootProblem } from '../model/problem.ts'
import { withoutOld } from './kernel-names.ts'

/** Early images with processor microcode, in the order GRUB loads them (GRUB_EARLY_INITRD_LINUX_STOCK). */
const microcodeNames = [
  'intel-uc.img',
  'intel-ucode.img',
  'amd-uc.img',
  'amd-ucode.img',
  'early_ucode.cpio',
  'microcode.cpio',
]

/**
 * The microcode images of a directory, which go before the initrd; none for a kernel that is known not to be for x86.
 */
export function microcodeIn(names: ReadonlySet<string>, architecture: string | null): string[] {
  if (architecture !== null && architecture !== 'x86_64' && architecture !== 'i386') return []
  return microcodeNames.filter((name) => names.has(name))
}

/**
 * Possible names of an initrd, the likeliest first.
 * @param suffix of the kernel's own name, '' for a bare name.
 * @param version the kernel's own release, if known.
 */
export function initrdNames(suffix: string, version: string | null, architecture: string | null): string[] {
  const stems = new Set([suffix, withoutOld(suffix), ...(version === null ? [] : [version])])
  const names: string[] = []
  for (const stem of stems)
    names.push(...(stem === '' || stem === '.old' ? bareNames(stem) : namesFor(stem, architecture)))
  // Arch: every possible module, slow to load; used when it is the only one.
  for (const stem of stems) if (stem !== '') names.push(`initramfs-${stem}-fallback.img`)
  return names
}

function namesFor(stem: string, architecture: string | null): string[] {
  return [
    // Debian, Ubuntu
    `initrd.img-${stem}`,
    // Red Hat, Void, Arch, Gentoo with dracut
    `initramfs-${stem}.img`,
    // SUSE
    `initrd-${stem}`,
    // Alpine; Gentoo's genkernel, whose suffix is genkernel-ARCH-VERSION
    `initramfs-${stem}`,
    // Red Hat 5, Mageia, OpenMandriva
    `initrd-${stem}.img`,
    `initrd-${stem}.gz`,
    // genkernel's initramfs for a kernel that was installed by hand
    `initramfs-genkernel-${stem}`,
    `initramfs-genkernel-${architecture ?? 'x86_64'}-${stem}`,
    // Arch's booster
    `booster-${stem}.img`,
  ]
}

function bareNames(stem: string): string[] {
  const names = ['initrd.img', 'initramfs.img', 'initrd', 'initramfs', 'initrd.gz', 'initramfs.cpio.gz']
  return names.map((name) => `${name}${stem}`)
}

/** A problem: no initrd was found, with the three likeliest names. */
export function noInitrd(kernel: string, looked: readonly string[], directory: string): BootProblem {
  const names = looked.slice(0, 3).join(', ')
  return {
    code: 'no-initrd',
    text: `No initrd was found for ${kernel}; looked for ${names} and the like in ${directory}.`,
  }
}
