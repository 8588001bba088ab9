import type { ImageEntry } from '../../../src/vm/index.ts'

/** What every slow service does when it is stopped: what the test at hand has written there. */
export const ON_STOP = '/root/on-stop'

const stop = `[ ! -e ${ON_STOP} ] || sh ${ON_STOP}`

/** A service of systemd that needs the data disk while it stops. */
export const systemdService: ImageEntry = {
  path: '/etc/systemd/system/slow.service',
  data: `[Unit]
Description=A service that is slow to stop
RequiresMountsFor=/mnt/data
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/bin/sh -c '${stop}'
`,
}

/** The same as a boot script, for sysvinit and for OpenRC on Debian, which reads these headers. It stops before sendsigs. */
export const bootScript: ImageEntry = {
  path: '/etc/init.d/slow',
  mode: 0o755,
  data: `#!/bin/sh
### BEGIN INIT INFO
# Provides:          slow
# Required-Start:    $local_fs
# Required-Stop:     $local_fs sendsigs
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: A service that is slow to stop
### END INIT INFO
case $1 in stop) ${stop} ;; esac
exit 0
`,
}

/** The same as a script that Buildroot's rcK would call. */
export const busyboxScript: ImageEntry = {
  path: '/etc/init.d/S50slow',
  mode: 0o755,
  data: `#!/bin/sh\ncase $1 in stop) ${stop} ;; esac\n`,
}

/** The same as a service of runit, as Debian has them: what is to be done when it has ended is in \`finish\`. */
export const runitService: readonly ImageEntry[] = [
  { path: '/etc/sv/slow/run', mode: 0o755, data: '#!/bin/sh\nexec sleep 100000\n' },
  { path: '/etc/sv/slow/finish', mode: 0o755, data: `#!/bin/sh\n${stop}\n` },
  { path: '/etc/sv/slow/supervise', link: '/run/runit/supervise/slow' },
  { path: '/etc/runit/runsvdir/default/slow', link: '/etc/sv/slow' },
]

/** s6-linux-init leaves it to this script to stop the services, by s6-rc or whatever else. */
export const s6Shutdown: ImageEntry = {
  path: '/etc/s6-linux-init/current/scripts/rc.shutdown',
  mode: 0o755,
  data: `#!/bin/sh\n${stop}\n`,
}

/** The same as a service of finit, which kills what has not stopped after three seconds unless it is told otherwise. */
export const finitService: readonly ImageEntry[] = [
  {
    path: '/usr/bin/slow',
    mode: 0o755,
    data: `#!/bin/sh\ntrap '${stop}; exit 0' TERM\nwhile :; do sleep 0.2; done\n`,
  },
  { path: '/etc/finit.d/slow.conf', data: 'service kill:60 [2345] /usr/bin/slow -- slow to stop\n' },
]

/** Holds a file open for writing: only when it is ended before the file systems are unmounted are they clean. */
export const holdOpen = "setsid sh -c 'exec 7>/mnt/data/held; exec sleep 100000' </dev/null >/dev/null 2>&1 &"
