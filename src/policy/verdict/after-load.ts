import type { KexecPolicy } from '../policy.ts'

/**
 * A remark on a loaded kernel where the machine takes no other, or none at all. Lockdown can be raised, and loading
 * switched off, after a load; the start does not check them again (kernel_kexec of kernel/kexec_core.c). Null where a
 * new load is still possible.
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
