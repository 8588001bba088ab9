import { conduct } from './inits/conduct.ts'
import { bootScript } from './inits/services.ts'

conduct({
  userland: 'sysvinit',
  name: 'sysvinit',
  title: 'sysvinit (Debian)',
  service: bootScript,
  hook: '/etc/linux-kexec/start-kernel',
  plainReboot: 'shutdown -r now',
})
