import { AGENT } from '../initramfs/scripts.ts'
import { addAppletsBesideInit } from './base.ts'
import { mountEarly } from './early.ts'
import type { Userland } from './userland.ts'

const SERVICES = '/run/service'
const SHUTDOWN = `${SERVICES}/s6-linux-init-shutdownd`
const BASE = '/etc/s6-linux-init/current'

/**
 * s6-svscan of Debian's s6 as PID 1, with the directories and scripts that s6-linux-init-maker(1) makes. No Debian
 * suite has s6-linux-init itself. A script of ours replaces its shutdown daemon: it takes the same requests on the same
 * fifo and does the same steps (from its documentation and s6-linux-init-shutdownd.c).
 */
export const s6LinuxInit: Userland = {
  name: 's6-linux-init',
  packages: ['s6', 'execline', 'mount', 'procps'],
  complete(tree, { applets }) {
    addAppletsBesideInit(tree, applets)
    const script = (path: string, data: string) => tree.add({ path, data, mode: 0o755 })
    script('/sbin/init', stageOne)
    for (const name of ['rc.init', 'rc.shutdown', 'rc.shutdown.final'])
      script(`${BASE}/scripts/${name}`, '#!/bin/sh -e\n\n')
    script(
      `${BASE}/run-image/service/s6-linux-init-shutdownd/run`,
      `#!/bin/execlineb -P\n\ns6-linux-init-shutdownd -c "${BASE}" -g 3000\n`,
    )
    script(`${BASE}/run-image/service/agent/run`, `#!/bin/sh\nexec ${AGENT}\n`)
    script('/usr/bin/s6-linux-init-shutdownd', shutdownDaemon)
  },
}

const stageOne = `${mountEarly}
cp -a ${BASE}/run-image/. /run/
mkdir -p ${SERVICES}/.s6-svscan
mkfifo -m 600 ${SHUTDOWN}/fifo
cd ${SERVICES}
exec s6-svscan ${SERVICES}
`

/**
 * A request is 17 bytes: a letter, a time (a TAI64N stamp relative to now, 12 bytes), and the grace time (4 bytes,
 * milliseconds). The script ends itself together with all other processes, and its supervisor starts it again: then it
 * is stage 4.
 */
const shutdownDaemon = `#!/bin/sh
if [ -x 'stage 4' ]; then
  exec './stage 4' >/dev/console 2>&1
fi
exec 3<>fifo
while :; do
  request=$(dd bs=1 count=17 <&3 2>/dev/null | od -An -v -tx1 | tr -d ' \\n')
  case $request in
    72000000000000000000000000????????) break ;;
    *) echo "s6-linux-init-shutdownd: not understood: $request" >/dev/console ;;
  esac
done
exec >/dev/console 2>&1
${BASE}/scripts/rc.shutdown
printf '%s\\n' '#!/bin/execlineb -P' '' \\
  'foreground { umount -a -r -t nodevtmpfs,noproc,nosysfs,notmpfs }' \\
  'foreground { "${BASE}/scripts/rc.shutdown.final" }' \\
  's6-linux-init-hpr -f -r' >'stage 4'
chmod 700 'stage 4'
for service in ${SERVICES}/*; do
  [ "$service" = ${SHUTDOWN} ] && continue
  # Under another name its supervisor is not started again.
  mv "$service" "${SERVICES}/.stopped-\${service##*/}" && s6-svc -dx "${SERVICES}/.stopped-\${service##*/}"
done
sync
trap '' TERM
kill -TERM -1
kill -CONT -1
sleep 3
sync
kill -KILL -1
`
