import { conduct } from './inits/conduct.ts'
import { bootScript } from './inits/services.ts'

conduct({
  userland: 'openrc-init',
  name: 'openrc-init',
  title: 'openrc-init',
  service: bootScript,
})
