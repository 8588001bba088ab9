import { imageWarningCodes } from '../../state/loaded-image.ts'

/** Codes of the obstacles to ending in the new kernel: docs/remarks.md explains each. */
export const obstacleCodes = [
  'hook-absent',
  'hook-failing',
  'hook-foreign',
  'hook-outdated',
  'init-not-supported',
  'init-unreadable',
  'kexec-not-supported',
  'program-absent',
  'program-unmounted',
] as const

export interface HandoverObstacle {
  readonly code: (typeof obstacleCodes)[number]
  /** A clause without a full stop. */
  readonly text: string
}

/** The init system, as it is built and set up here, cannot start a kernel. */
export function unable(text: string): HandoverObstacle {
  return { code: 'kexec-not-supported', text }
}

/** A file cannot be read that shows whether the init system can. */
export function unreadable(text: string): HandoverObstacle {
  return { code: 'init-unreadable', text }
}

/** Codes of useful facts about a way: docs/remarks.md. */
export const noteCodes = ['exposed-files', 'limitation', 'opt-out'] as const

export interface HandoverNote {
  readonly code: (typeof noteCodes)[number]
  /** A sentence. */
  readonly text: string
}

/** A limit of the way. */
export function limitation(text: string): HandoverNote {
  return { code: 'limitation', text }
}

/** Codes of a reboot's warnings: docs/remarks.md. */
export const handoverWarningCodes = [
  ...imageWarningCodes,
  'firmware-reboot',
  'image-foreign',
  'image-replaced',
  'image-stale',
  'image-unconfirmed',
  'inhibited',
  'users-logged-in',
] as const

export interface HandoverWarning {
  readonly code: (typeof handoverWarningCodes)[number]
  /** A sentence. */
  readonly text: string
}
