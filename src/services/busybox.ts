import { KexecError } from '../errors.ts'
import type { HookPart } from '../hooks/hook.ts'
import { bootScript, withoutShutdown } from './at-boot.ts'
import { type DescribeService, MARK, marking } from './service.ts'

const INITTAB = '/etc/inittab'

/** The program that the line of /etc/inittab starts, and the links to what it runs. */
const RUNNER = '/etc/linux-kexec/at-boot'
const ENABLED = `${RUNNER}.d`

/**
 * A script each. A link among the enabled ones and one line of /etc/inittab, for all of them, make busybox init run it: init
 * runs `once` actions when all of `sysinit` and `wait` have ended (init_main of init/init.c), so after the boot scripts, wherever
 * they lie.
 */
export const busybox: DescribeService = (name, program, system) => {
  if (name === 'shutdown') return { files: [], enabling: [], unavailable: withoutShutdown('busybox init') }
  const file = `service-${name}`
  return {
    files: [
      { kind: 'file', path: `/etc/linux-kexec/${file}`, mode: 0o755, text: bootScript(name, program), mark: MARK },
    ],
    enabling: [{ kind: 'link', path: `${ENABLED}/${name}`, target: `../${file}` }, ...shared],
    ...(system?.exists(INITTAB) === false ? { unavailable: withoutInittab } : {}),
  }
}

/** One after the other: the kernel takes one load at a time. */
const shared: readonly HookPart[] = [
  {
    kind: 'file',
    path: RUNNER,
    mode: 0o755,
    text: `#!/bin/sh\n${marking}\nfor service in ${ENABLED}/*; do\n  [ ! -x "$service" ] || "$service"\ndone\n`,
    mark: MARK,
  },
  { kind: 'lines', path: INITTAB, owner: 'service', anywhere: true, lines: [`::once:${RUNNER}`] },
]

/** A file with our line alone would take away what init does without one. */
const withoutInittab = new KexecError(`there is no ${INITTAB}, so busybox init cannot be told to start a service`, {
  reason: 'unsupported-init',
  path: INITTAB,
  hint: `Write ${INITTAB}; busybox's examples/inittab shows what init does without one.`,
  refused: true,
})
