import { conduct } from './inits/conduct.ts'
import { busyboxScript, holdOpen } from './inits/services.ts'

conduct({
  userland: 'busybox-init',
  name: 'busybox',
  title: 'busybox init',
  service: busyboxScript,
  start: holdOpen,
  hook: '/etc/linux-kexec/start-kernel',
  plainReboot: 'kill -HUP 1; kill -QUIT 1',
  failing: 'starts again',
})
