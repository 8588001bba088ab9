import { conduct } from './inits/conduct.ts'
import { bootScript } from './inits/services.ts'

conduct({
  userland: 'openrc-sysvinit',
  name: 'openrc-sysvinit',
  title: 'OpenRC on sysvinit (Debian)',
  service: bootScript,
  hook: '/etc/linux-kexec/start-kernel',
  plainReboot: 'shutdown -r now',
})
