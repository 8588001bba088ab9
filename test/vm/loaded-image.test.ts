import { expect, test } from 'vitest'
import { json, machineForFile } from './guests.ts'

/** Loads by the bare system call, as any other program would: node load.cjs KERNEL INITRD COMMAND_LINE FLAGS */
const bareLoad = `
const { openSync } = require('node:fs')
const { kexecFileLoadSync } = require(\`/usr/lib/node_modules/linux-kexec/prebuilds/linux-\${process.arch}/linux_kexec.node\`)
const [kernel, initrd, commandLine, flags] = process.argv.slice(2)
process.exitCode = kexecFileLoadSync(openSync(kernel, 'r'), openSync(initrd, 'r'), commandLine, Number(flags))
`

// This guest alone has kexec-tools, to load something over what is ours.
const machine = machineForFile(
  { append: 'crashkernel=192M', memory: 1536 },
  { packages: ['kexec-tools'], files: [{ path: '/root/load.cjs', data: bareLoad }] },
)

const status = async () => (await json(machine.vm, 'linux-kexec status')).document
const run = async (script: string) => {
  const result = await machine.vm.run(script)
  expect(result, `${script}\n${result.stderr}`).toMatchObject({ status: 0 })
  return result
}
/** What `reboot` would do, without doing it. */
const dryRun = (options = '') => machine.vm.run(`linux-kexec reboot --via direct --dry-run ${options}`)
const files = (release: string) => `/boot/vmlinuz-${release} /boot/initrd.img-${release}`

test('nothing loaded is told as such', async () => {
  expect(await status()).toMatchObject({
    loaded: false,
    kernel: { state: 'none', record: null },
    crash: { state: 'none' },
  })
})

test('a load is ours, with everything that went into it; --verify adds the hashes', async () => {
  await run('SUDO_USER=tester linux-kexec load newest --append marker=1')
  const { kernel } = await status()
  const { stdout: commandLine } = await run(`linux-kexec plan newest --append marker=1 --json | grep '"commandLine"'`)
  expect(kernel).toMatchObject({
    state: 'ours',
    stale: [],
    warnings: [],
    record: {
      kind: 'kernel',
      version: machine.newer,
      by: { uid: 0, sudoUser: 'tester' },
      kernel: { path: `/boot/vmlinuz-${machine.newer}`, sha256: null },
      origin: { selector: 'newest', source: 'boot-dir' },
      engine: 'file',
      flags: 0,
    },
  })
  expect(commandLine).toContain(kernel.record.commandLine)
  const { stdout } = await run('linux-kexec status --verify')
  const { stdout: sums } = await run(`sha256sum ${files(machine.newer)}`)
  for (const line of sums.trim().split('\n')) expect(stdout).toContain(`SHA-256 ${line.split(' ')[0]}`)
  expect(stdout).toContain('loaded by linux-kexec')
  expect((await status()).kernel.record.kernel.sha256).toMatch(/^[0-9a-f]{64}$/)
})

test('the records are for root alone; others are told that something is loaded', async () => {
  expect((await run(`stat -c '%a %u' /run/linux-kexec /run/linux-kexec/*.json | sort -u`)).stdout).toBe(
    '600 0\n700 0\n',
  )
  const others = await machine.vm.run(`su tester -c 'linux-kexec status --json'`)
  expect(others.status).toBe(0)
  expect(JSON.parse(others.stdout)).toMatchObject({ loaded: true, kernel: { state: 'unknown', record: null } })
})

test('the very same, loaded anew by us, is ours', async () => {
  await run('linux-kexec load newest --append marker=1')
  expect((await status()).kernel.state).toBe('ours')
})

test('the very same, loaded over ours by another program, is not ours: reboot refuses it', async () => {
  const { kernel } = await status()
  for (const load of [
    `node /root/load.cjs ${files(machine.newer)} '${kernel.record.commandLine}' 0`,
    `kexec -c -l /boot/vmlinuz-${machine.newer} --initrd=/boot/initrd.img-${machine.newer} --command-line='${kernel.record.commandLine}'`,
    `kexec -s -u && node /root/load.cjs ${files(machine.newer)} '${kernel.record.commandLine}' 0`,
  ]) {
    await run(`linux-kexec load newest --append marker=1; ${load}`)
    expect((await status()).kernel.state, load).toBe('replaced')
  }
  expect(await dryRun()).toMatchObject({ status: 3, stderr: expect.stringContaining('IMAGE_REPLACED') })
  expect(await dryRun('--stale-ok')).toMatchObject({ status: 0, stderr: expect.stringContaining('--stale-ok') })
  const text = (await run('linux-kexec status')).stdout
  expect(text).toContain('loaded by another program')
  expect(text).not.toContain('marker=1')
})

test('what was never ours is foreign, which reboot warns of', async () => {
  await run('linux-kexec unload')
  await run(`kexec -s -l /boot/vmlinuz-${machine.newer} --initrd=/boot/initrd.img-${machine.newer} --command-line=x`)
  expect((await status()).kernel).toMatchObject({ state: 'foreign', record: null })
  expect(await dryRun()).toMatchObject({ status: 0, stderr: expect.stringContaining('not loaded by linux-kexec') })
})

test('a file that changed since the load is a warning of status and a refusal of reboot', async () => {
  const initrd = `/boot/initrd.img-${machine.newer}`
  await run(`linux-kexec load newest && cp -p ${initrd} /boot/kept && echo more >> ${initrd}`)
  const { kernel } = await status()
  expect(kernel).toMatchObject({ state: 'ours', stale: [{ path: initrd }] })
  expect((await run('linux-kexec status')).stdout).toContain(`${initrd} changed`)
  expect(await dryRun()).toMatchObject({ status: 3, stderr: expect.stringContaining('IMAGE_STALE') })
  expect((await dryRun('--stale-ok')).status).toBe(0)
  await run(`rm ${initrd}`)
  expect((await status()).kernel.stale).toEqual([{ path: initrd, change: 'is gone' }])
  await run(`mv /boot/kept ${initrd}`)
  expect((await status()).kernel.stale, 'put back as it was').toEqual([])
  expect((await dryRun()).status).toBe(0)
})

test('where the kernel hides its addresses, a warning says that the owner is unknown', async () => {
  await run(`rm /run/linux-kexec/pointers.json; echo 2 > /proc/sys/kernel/kptr_restrict`)
  const { kernel } = await status()
  expect(kernel.state).toBe('unconfirmed')
  expect(kernel.evidence[0].value).toContain('kptr_restrict')
  expect(await dryRun()).toMatchObject({ status: 0, stderr: expect.stringContaining('is unknown') })
  await run('linux-kexec load newest')
  expect((await status()).kernel).toMatchObject({ state: 'unconfirmed', record: { fingerprint: null } })
  await run('echo 0 > /proc/sys/kernel/kptr_restrict')
})

test('the crash kernel has a record of its own', async () => {
  await run('linux-kexec load newest && linux-kexec load --panic newest')
  const before = await status()
  expect(before).toMatchObject({
    kernel: { state: 'ours' },
    crash: { state: 'ours', record: { kind: 'crash', flags: 2 } },
  })
  await run(`node /root/load.cjs ${files(machine.newer)} x 2`)
  expect(await status()).toMatchObject({ kernel: { state: 'ours' }, crash: { state: 'replaced' } })
  await run('linux-kexec unload --panic')
  expect(await status()).toMatchObject({ kernel: { state: 'ours' }, crash: { state: 'none' } })
})

test('a record that cannot be written does not fail the load', async () => {
  await run(`mkdir -p /run/linux-kexec; mount -t tmpfs -o ro,mode=700 none /run/linux-kexec`)
  const { status: exit, stderr } = await machine.vm.run('linux-kexec load newest')
  expect(exit).toBe(0)
  expect(stderr).toContain('could not be written')
  expect((await status()).kernel.state).toBe('foreign')
  await run('umount /run/linux-kexec')
})

const waits = 'until [ -e /run/linux-kexec/reboot.json ]; do sleep 0.1; done'

test('a reboot that waits names the logged-in users, and can be called off', async () => {
  await run(`linux-kexec load newest
    echo '[7] [00100] [S0  ] [anna    ] [ttyS0       ] [                    ] [0.0.0.0        ] [2026-11-21T08:00:00,000000+00:00]' |
      utmpdump -r > /run/utmp`)
  await machine.vm.spawn(`linux-kexec reboot --via direct --delay 1h --message 'Back in a minute.' 2> /root/waiting
    echo $? > /root/waited`)
  await run(waits)
  expect((await run('linux-kexec reboot --cancel')).stdout).toContain('called off')
  await run('until [ -s /root/waited ]; do sleep 0.1; done')
  expect((await run('cat /root/waited /root/waiting')).stdout).toMatch(
    /^1\n[\s\S]*Logged in: anna \(ttyS0\)[\s\S]*called off/,
  )
  expect(machine.vm.console.at(-1)?.text).toContain('Back in a minute.')
  expect((await run('linux-kexec reboot --cancel')).stdout).toContain('no reboot was scheduled')
  await run('ls /run/linux-kexec/loaded.json')
})

/** Has a reboot wait for a time of day, does something meanwhile, and sets the clock to that time. @returns the exit status and what was said */
async function whileWaiting(script: string): Promise<string> {
  await run(`rm -f /root/waited; date -s '2026-11-21 10:00:00'`)
  await machine.vm.spawn(
    'linux-kexec reboot --via direct --at 2026-11-21T20:00 2> /root/waiting; echo $? > /root/waited',
  )
  await run(`${waits}; ${script}; date -s '2026-11-21 20:00:01'; until [ -s /root/waited ]; do sleep 0.1; done`)
  return (await run('cat /root/waited /root/waiting')).stdout
}

test('what is replaced while a reboot waits is not started', async () => {
  await run('linux-kexec load newest')
  const said = await whileWaiting(`node /root/load.cjs ${files(machine.newer)} x 0`)
  expect(said).toMatch(/^3\n[\s\S]*IMAGE_REPLACED/)
})

test('and what is unloaded meanwhile ends in no firmware reboot', async () => {
  await run('linux-kexec load newest')
  expect(await whileWaiting('linux-kexec unload')).toMatch(/^4\n[\s\S]*NOTHING_LOADED/)
})

test('when the time has come, the loaded kernel is started, and its record is gone with the old one', async () => {
  await run('linux-kexec load newest --append marker=2')
  await machine.vm.spawn('linux-kexec reboot --via direct --delay 1s')
  const boot = await machine.vm.booted()
  expect(boot).toMatchObject({ release: machine.newer, commandLine: expect.stringContaining('marker=2') })
  expect((await status()).kernel).toMatchObject({ state: 'none', record: null })
})

test('with nothing loaded, --allow-firmware-reboot goes through the firmware', async () => {
  expect((await dryRun()).status).toBe(4)
  expect(await dryRun('--allow-firmware-reboot')).toMatchObject({
    status: 0,
    stderr: expect.stringContaining('through the firmware'),
  })
  await machine.vm.spawn('linux-kexec reboot --via direct --deadline 5 --allow-firmware-reboot')
  expect(await machine.vm.outcome).toMatchObject({ kind: 'rebooted' })
})
