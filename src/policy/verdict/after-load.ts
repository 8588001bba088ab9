import type { KexecPolicy } from '../policy.ts'

/**
 * What to know of a kernel that is loaded where the machine takes no other, or not any: lockdown can be raised and loading be
 * switched off after a load, and nobody asks again when it is started (kernel_kexec of kernel/kexec_core.c). Null where a new
 * load is as free as ever.
 */
export function afterLoad({ kexecFileLoad, kexecLoad, lockdown, signature }: KexecPolicy): string | null {
  const isShut = ({ mode }: { readonly mode: string }) => mode === 'disabled' || mode === 'unsupported'
  if (isShut(kexecFileLoad) && isShut(kexecLoad)) {
    const { why } = kexecFileLoad.mode === 'disabled' ? kexecFileLoad : kexecLoad
    return `It still starts, but no other can take its place: ${why}.`
  }
  if (lockdown === null || lockdown === 'none' || signature.required !== true) return null
  return `It still starts, whether signed or not; the kernel is locked down (${lockdown}), so that a new load must be signed with a key that it trusts.`
}
