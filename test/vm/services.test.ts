import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, onTestFinished, test } from 'vitest'
import { memoryBytes } from '../../src/bytes/bytes.ts'
import { insertLines } from '../../src/hooks/hook-plan.ts'
import { HEAD_BYTES, inspectImage } from '../../src/image/formats/inspect.ts'
import { readBuildId } from '../../src/image/unpack/build-id.ts'
import type { Program } from '../../src/program.ts'
import { busybox } from '../../src/services/busybox.ts'
import { openrc } from '../../src/services/openrc.ts'
import { runit } from '../../src/services/runit.ts'
import type { DescribeService, ServiceName } from '../../src/services/service.ts'
import { systemd } from '../../src/services/systemd.ts'
import { sysvinit } from '../../src/services/sysvinit.ts'
import { System } from '../../src/system/system.ts'
import {
  type Guest,
  type GuestOptions,
  type ImageEntry,
  type Kernel,
  newestKernels,
  startVm,
  type Vm,
  type VmOptions,
} from '../../src/vm/index.ts'
import { inittab } from '../../src/vm/userlands/busybox-init.ts'
import { debianGuest, isWholeRun, json } from './guests.ts'

/** Where our program lies in guests: what `service install` writes there is what is put into the image here. */
const program: Program = {
  node: '/usr/bin/node',
  command: '/usr/lib/node_modules/linux-kexec/dist/linux-kexec.cjs',
}

/** Services as files of a guest, so that they are there when it boots. */
function filesOf(describeService: DescribeService, names: readonly ServiceName[], system?: System): ImageEntry[] {
  const parts = names.flatMap((name) => {
    const { files, enabling } = describeService(name, program, system)
    return [...files, ...enabling]
  })
  return parts.flatMap((part): ImageEntry[] => {
    if (part.kind === 'file') return [{ path: part.path, data: part.text, mode: part.mode }]
    if (part.kind === 'link') return [{ path: part.path, link: part.target }]
    // The one file with lines of ours: the record is made after the boot scripts, and before what is run once.
    const recorded = inittab.replace('rcS\n', 'rcS\n::sysinit:/usr/local/sbin/record\n')
    return [{ path: part.path, data: insertLines(recorded, part), mode: 0o644 }]
  })
}

/** A whole shutdown and a boot of a whole init system, on a machine that others use too. */
const patience = { deadline: 240_000 }

let vm: Vm
let guest: Guest
afterEach(() => vm?.stop())

async function boot(options: Partial<GuestOptions>, machine: Partial<VmOptions> = {}) {
  guest = await debianGuest(options)
  vm = await startVm({ guest, memory: 1536, ...machine })
  await vm.booted(patience)
}

const newer = () => guest.kernels[1]?.release

/** Shell that waits until a service has done its work, or failed. */
const settled = (
  unit: string,
) => `until systemctl show -p ActiveState --value ${unit} | grep -Eq '^(active|failed)$'; do
  sleep 0.2; done; systemctl is-active ${unit}`

describe('systemd', () => {
  test('at boot, the kernel of the next reboot and the crash kernel are loaded, and the one is started', async () => {
    const files = filesOf(systemd, ['boot', 'crash'])
    await boot({ userland: 'systemd', files }, { append: 'crashkernel=256M' })
    // What lies there is what `service install` places, to the byte.
    const { document } = await json(vm, 'linux-kexec service show')
    expect(document.services).toMatchObject([
      { name: 'boot', state: 'installed', enabled: true },
      { name: 'shutdown', state: 'absent', enabled: false },
      { name: 'crash', state: 'installed', enabled: true },
      { name: 'trial', state: 'absent', enabled: false },
    ])
    for (const unit of ['linux-kexec-boot', 'linux-kexec-crash']) {
      const { stdout } = await vm.run(settled(unit))
      expect(stdout, (await vm.run(`journalctl -b --no-pager -u ${unit}`)).stdout).toContain('active')
    }
    const status = (await json(vm, 'linux-kexec status')).document
    expect(status).toMatchObject({ loaded: true, crashLoaded: true })
    await vm.run('systemctl stop linux-kexec-crash')
    expect((await json(vm, 'linux-kexec status')).document.crashLoaded).toBe(false)
    const planned = (await json(vm, 'linux-kexec plan')).document
    // A plain `systemctl reboot` goes that way since systemd 254; this suite may have an older one.
    await vm.spawn('systemctl kexec')
    const next = await vm.booted(patience)
    expect([next.release, next.commandLine]).toEqual([newer(), planned.commandLine])

    // A path beyond ASCII, with what systemd and the shell would resolve, is called as it is.
    const odd = await vm.run(
      `odd="/opt/ħ %h \\$HOME é"; mkdir -p "$odd"
      cp -L /usr/bin/node "$odd/node"; cp -rL /usr/lib/node_modules/linux-kexec "$odd/package"
      "$odd/node" "$odd/package/dist/linux-kexec.cjs" service install >/dev/null && systemctl daemon-reload
      ${settled('linux-kexec-boot')}; linux-kexec unload; systemctl restart linux-kexec-boot; linux-kexec status
      linux-kexec service install >/dev/null; rm /etc/systemd/system/linux-kexec-shutdown.service; systemctl daemon-reload`,
      patience,
    )
    expect(odd.stdout, odd.stderr).toContain('/opt/ħ %h $HOME é/package/dist/linux-kexec.cjs')

    // The root file system is as it was; here at shutdown, only when that ends in a kexec.
    await vm.run(`${settled('linux-kexec-boot')}; linux-kexec unload
      systemctl disable linux-kexec-boot
      printf 'LOAD_OPTIONS="${guest.kernels[0]?.release} --append marker=shutdown"\\n' > /etc/default/linux-kexec`)
    const installed = await vm.run('linux-kexec service install --enable shutdown')
    expect(installed.stdout).toContain('created /etc/systemd/system/linux-kexec-shutdown.service')
    await vm.run('systemctl daemon-reload && systemctl start linux-kexec-shutdown')
    await vm.run('systemctl restart linux-kexec-shutdown')
    expect((await json(vm, 'linux-kexec status')).document.loaded).toBe(false)
    await vm.spawn('systemctl start --job-mode=replace-irreversibly --no-block kexec.target')
    const last = await vm.booted(patience)
    expect(last.release).toBe(guest.kernels[0]?.release)
    expect(last.commandLine).toContain('marker=shutdown')
  })
})

describe.each([
  ['sysvinit', sysvinit],
  ['openrc-sysvinit', openrc],
] as const)('%s', (userland, describeService) => {
  test('at shutdown, the kernel of the next boot is loaded, and the hook of the handover starts it', async () => {
    await boot({ userland, files: filesOf(describeService, ['shutdown']) })
    const { document } = await json(vm, 'linux-kexec service show')
    expect(document.services[1]).toMatchObject({ name: 'shutdown', state: 'installed', enabled: true })
    const installed = await vm.run('linux-kexec handover --install')
    expect(installed, installed.stdout).toMatchObject({ status: 0 })
    expect((await json(vm, 'linux-kexec status')).document.loaded).toBe(false)
    const planned = (await json(vm, 'linux-kexec plan')).document
    await vm.spawn('shutdown -r now')
    const next = await vm.booted(patience)
    expect([next.release, next.commandLine]).toEqual([newer(), planned.commandLine])
  })
})

const ID = '0123456789abcdef'

/** runit's service directory of the guest, as far as it decides where ours keeps its state. */
function withNeighbour(): System {
  const root = mkdtempSync(join(tmpdir(), 'linux-kexec-services-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  for (const directory of ['etc/sv/agent', 'etc/runit/runsvdir/default'])
    mkdirSync(join(root, directory), { recursive: true })
  symlinkSync('/run/runit/supervise/agent', join(root, 'etc/sv/agent/supervise'))
  return new System(root)
}

async function buildIdOf({ image }: Kernel): Promise<string | null> {
  const bytes = readFileSync(image)
  const source = memoryBytes(bytes)
  return await readBuildId(source, inspectImage(bytes.subarray(0, HEAD_BYTES), bytes.length, source))
}

/** Shell that writes the record of a trial as which this boot counts. @param buildId of the kernel's image */
const recording = (buildId: string | null) => `#!/bin/sh
mkdir -p -m 700 /var/lib/linux-kexec
umask 077
line=$(sed 's/["\\\\]/\\\\&/g' /proc/cmdline)
cat > /var/lib/linux-kexec/trial.json <<END
{ "schemaVersion": 1, "id": "${ID}", "state": "started", "reason": null, "deadline": 900000,
  "times": { "started": "2026-11-30T07:00:00.000Z" }, "rollback": null,
  "guards": { "panic": null, "watchdog": null, "deadman": false },
  "target": { "kernel": "/vmlinuz", "release": "$(uname -r)", "buildId": "${buildId}",
    "commandLine": "$line", "initrdSha256": null },
  "from": { "release": "6.1", "bootId": "another" } }
END
`

/** What makes each init system run it before everything else that is started for users. */
const recorders: Readonly<
  Record<'systemd' | 'sysvinit' | 'openrc-sysvinit' | 'runit' | 'busybox-init', readonly ImageEntry[]>
> = {
  runit: [{ path: '/etc/rcS.d/S02record', link: '/usr/local/sbin/record' }],
  'busybox-init': [],
  systemd: [
    {
      path: '/etc/systemd/system/record.service',
      data: '[Service]\nType=oneshot\nExecStart=/usr/local/sbin/record\n',
      mode: 0o644,
    },
    { path: '/etc/systemd/system/basic.target.wants/record.service', link: '/etc/systemd/system/record.service' },
  ],
  sysvinit: [
    { path: '/etc/init.d/record', data: '#!/bin/sh\nexec /usr/local/sbin/record\n', mode: 0o755 },
    { path: '/etc/rc2.d/S01record', link: '../init.d/record' },
  ],
  'openrc-sysvinit': [
    {
      path: '/etc/init.d/record',
      data: `#!/sbin/openrc-run\nstart() {\n  /usr/local/sbin/record\n}\n`,
      mode: 0o755,
    },
    { path: '/etc/runlevels/default/record', link: '/etc/init.d/record' },
  ],
}

describe.each([
  ['systemd', systemd, 'systemctl is-active multi-user.target'],
  ['sysvinit', sysvinit, 'true'],
  ['openrc-sysvinit', openrc, 'true'],
  ['runit', runit, 'sv status /etc/service/agent | grep ^run:'],
  ['busybox-init', busybox, 'true'],
] as const)('%s', (userland, describeService, isUp) => {
  // That a failing check ends the trial is our program's doing; the init systems differ in how they start it.
  const failing = isWholeRun || userland === 'systemd' || userland === 'busybox-init'
  const checks: [string, string][] = [['confirmed', isUp]]
  if (failing) checks.push(['failed', 'echo no route; exit 7'])
  test.each(checks)('a kernel on trial is %s by its checks at boot', async (state, check) => {
    const kernels = await newestKernels()
    const buildId = await buildIdOf(kernels[0] as Kernel)
    const files = [
      ...filesOf(describeService, ['trial'], userland === 'runit' ? withNeighbour() : undefined),
      ...recorders[userland],
      { path: '/usr/local/sbin/record', data: recording(buildId), mode: 0o755 },
      { path: '/etc/linux-kexec/check.d/up', data: `#!/bin/sh\n${check}\n`, mode: 0o755 },
    ]
    await boot({ userland, files, kernels }, { append: `linux_kexec.trial=${ID}` })
    const record = '/var/lib/linux-kexec/trial.json'
    const ended = await vm.run(
      `i=0; until grep -Eq '"state": "(confirmed|failed)"' ${record} || [ $i = 100 ]; do sleep 1; i=$((i+1)); done`,
      patience,
    )
    expect(ended).toMatchObject({ status: 0 })
    const { services } = (await json(vm, 'linux-kexec service show')).document
    expect(services).toContainEqual(expect.objectContaining({ name: 'trial', state: 'installed', enabled: true }))
    const { document } = await json(vm, 'linux-kexec trial status')
    expect(document, JSON.stringify(document)).toMatchObject({ outcome: state, isRunning: true, differences: [] })
    // The same release, built again.
    const other = '0'.repeat(40)
    await vm.run(`sed -i 's/${buildId}/${other}/' ${record}`)
    expect((await json(vm, 'linux-kexec trial status')).document.differences).toEqual([
      { source: '/sys/kernel/notes', expected: other, found: buildId },
    ])
  })
})
