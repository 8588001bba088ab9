import type { BootProblemCode } from '../../entries/model/problem.ts'
import { initrdWarningCodes } from '../../initrd/content.ts'
import { noteCodes } from '../../policy/verdict/codes.ts'

/** Codes of a plan's warnings: docs/remarks.md explains each. */
export const warningCodes = [
  ...initrdWarningCodes,
  ...noteCodes,
  'addon-passed-over',
  'asked-anyway',
  'bootconfig-incomplete',
  'bootconfig-left-out',
  'child-pid-namespace',
  'command-line-not-signed',
  'crash-kernel-replaced',
  'crash-memory-short',
  'damaged-image',
  'device-tree-not-passed',
  'efi-32-bit',
  'exposed-files',
  'failed-trial',
  'file-left-out',
  'format-too-new',
  'initrd-not-loaded',
  'large-file',
  'left-compressed',
  'may-crash-running-kernel',
  'memory-short',
  'newer-passed-over',
  'no-capability',
  'no-linux-version',
  'no-modules',
  'no-root',
  'no-such-parameter',
  'not-init-user-namespace',
  'not-measured',
  'not-recorded',
  'other-byte-order',
  'other-page-size',
  'overlay-not-unpacked',
  'paging-levels',
  'root-needs-initrd',
  'several-initrds',
  'signature-not-checked',
  'trial-gap',
  'trial-record',
  'trial-rollback',
  'truncated-kernel',
  'vendor-boot-not-given',
  'verdict-unknown',
] as const

/** The problems of the entry and of its menu are warnings of the plan, with their own codes. */
export type WarningCode = (typeof warningCodes)[number] | BootProblemCode

/** Codes of a plan's unchecked facts. */
export const uncheckedCodes = [
  'architecture',
  'crash-memory',
  'memory',
  'page-size',
  'paging-levels',
  'segments',
  'unpacked-size',
] as const

export type UncheckedCode = (typeof uncheckedCodes)[number]
