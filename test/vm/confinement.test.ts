import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Guest, startVm, type Vm } from '../../src/vm/index.ts'
import { BOOT, debianGuest, json } from './guests.ts'

let guest: Guest
let vm: Vm

const POLICY = '/root/confined.policy'

beforeAll(async () => {
  const data = readFileSync(join(import.meta.dirname, '../fixtures/selinux/confined.policy'))
  guest = await debianGuest({ packages: ['apparmor'], files: [{ path: POLICY, data }] })
})
afterAll(() => vm?.stop())

async function boot(append: string): Promise<void> {
  vm = await startVm({ guest, kernel: guest.kernels[1] as (typeof guest.kernels)[number], append })
  await vm.booted(BOOT)
}

/** Everything is allowed but the capability that loading takes. */
const profile =
  'profile updater flags=(attach_disconnected) { file, network, unix, signal, ptrace, mount, capability, deny capability sys_boot, }'

/** The command as AppArmor's profile confines it. */
const confined = (command: string) => `sh -c 'echo "exec updater" > /proc/self/attr/exec && exec "$@"' - ${command}`

test('a profile of AppArmor: no load is promised, and the refusal is not blamed on the user', async () => {
  await boot('apparmor=1')
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
  await vm.stop()
})

test('a type of SELinux: the same; where it only warns, the load goes through', async () => {
  await boot('security=selinux')
  const loaded = await vm.run(`mkdir -p /sys/fs/selinux && mount -t selinuxfs none /sys/fs/selinux
    cat ${POLICY} > /sys/fs/selinux/load && echo 1 > /sys/fs/selinux/enforce && cat /proc/self/attr/current`)
  expect(loaded, loaded.stderr).toMatchObject({ status: 0, stdout: expect.stringContaining('u:r:free_t:s0') })
  const context = 'u:r:confined_t:s0'
  const ofType = (command: string) => `sh -c 'printf ${context} > /proc/self/attr/current && exec "$@"' - ${command}`

  const { document } = await json(vm, ofType('linux-kexec plan newest'))
  expect(document.verdict.outcome).toBe('cannot-tell')
  expect(JSON.stringify(document.verdict.missing)).toContain(context)
  const refused = await json(vm, ofType('linux-kexec load newest'))
  expect({ status: refused.status, ...refused.document.error }).toMatchObject({
    status: 1,
    reason: 'not-permitted',
    code: 'EPERM',
    refused: false,
  })
  expect(refused.document.error.summary).toContain(`SELinux (${context})`)
  expect((await json(vm, 'linux-kexec load newest')).status).toBe(0)

  await vm.run('echo 0 > /sys/fs/selinux/enforce')
  expect((await json(vm, ofType('linux-kexec plan newest'))).document.verdict.outcome).toBe('will-load')
  expect((await json(vm, ofType('linux-kexec load newest'))).status).toBe(0)
})
