import { conduct } from './inits/conduct.ts'
import { holdOpen, s6Shutdown } from './inits/services.ts'

conduct({
  userland: 's6-linux-init',
  name: 's6-linux-init',
  title: 's6-linux-init (with a stand-in for its shutdown daemon)',
  service: s6Shutdown,
  start: holdOpen,
  hook: '/etc/linux-kexec/start-kernel',
  plainReboot: '{ printf r; head -c 16 /dev/zero; } >/run/service/s6-linux-init-shutdownd/fifo',
})
