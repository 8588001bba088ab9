import { conduct } from './inits/conduct.ts'
import { holdOpen, runitService } from './inits/services.ts'

conduct({
  userland: 'runit',
  name: 'runit',
  title: 'runit (Debian)',
  service: runitService,
  start: holdOpen,
  hook: '/etc/linux-kexec/start-kernel',
  plainReboot: 'init 6',
})
