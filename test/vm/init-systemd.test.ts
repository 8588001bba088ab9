import { conduct } from './inits/conduct.ts'
import { systemdService } from './inits/services.ts'

conduct({
  userland: 'systemd',
  name: 'systemd',
  title: 'systemd',
  service: systemdService,
  start: 'systemctl start slow.service',
})
