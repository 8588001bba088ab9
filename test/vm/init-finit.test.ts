import { conduct } from './inits/conduct.ts'
import { finitService, holdOpen } from './inits/services.ts'

conduct({
  userland: 'finit',
  name: 'finit',
  title: 'finit',
  service: finitService,
  start: holdOpen,
  hook: '/usr/libexec/finit/hook/sys/down/99-linux-kexec',
  plainReboot: 'kill -TERM 1',
})
