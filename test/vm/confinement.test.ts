import { afterAll, beforeAll, expect, test } from 'vitest'
import { startVm, type Vm } from '../../src/vm/index.ts'
import { debianGuest, json } from './guests.ts'

let vm: Vm

beforeAll(async () => {
  const guest = await debianGuest({ packages: ['apparmor'] })
  vm = await startVm({ guest, kernel: guest.kernels[1] as (typeof guest.kernels)[number], append: 'apparmor=1' })
  await vm.booted()
})
afterAll(() => vm?.stop())

/** Everything is allowed but the capability that loading takes. */
const profile =
  'profile updater flags=(attach_disconnected) { file, network, unix, signal, ptrace, mount, capability, deny capability sys_boot, }'

/** The command as AppArmor's profile confines it. */
const confined = (command: string) => `sh -c 'echo "exec updater" > /proc/self/attr/exec && exec "$@"' - ${command}`

test('a profile of AppArmor: no load is promised, and the refusal is not blamed on the user', async () => {
  await vm.run('mountpoint -q /sys/kernel/security || mount -t securityfs none /sys/kernel/security')
  const loaded = await vm.run(`echo '${profile}' | apparmor_parser --replace --skip-cache`)
  expect(loaded, loaded.stderr).toMatchObject({ status: 0 })

  const free = (await json(vm, 'linux-kexec plan newest')).document
  expect(free.verdict.outcome).toBe('will-load')
  const { document } = await json(vm, confined('linux-kexec plan newest'))
  expect(document.verdict.outcome).toBe('cannot-tell')
  expect(JSON.stringify(document.verdict.missing)).toContain('the AppArmor profile updater')

  const refused = await json(vm, confined('linux-kexec load newest'))
  expect({ status: refused.status, ...refused.document.error }).toMatchObject({
    status: 1,
    reason: 'not-permitted',
    code: 'EPERM',
    refused: false,
  })
  expect(refused.document.error.summary).toContain('AppArmor (updater)')
  expect((await json(vm, 'linux-kexec load newest')).status).toBe(0)
})
