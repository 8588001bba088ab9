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
