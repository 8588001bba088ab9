import { generateKeyPairSync } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { ImageEntry } from '../../src/vm/index.ts'
import { blankDisk, findDisk } from './disk.ts'
import { initThatExits, makeMenu } from './examples/machine.ts'
import { BOOT, machineForFile } from './guests.ts'

// examples/updater as an appliance has it: state, downloads and records of trials lie on a disk, and so does what the server
// publishes. The firmware boots the older kernel again after each reset.

const keys = generateKeyPairSync('ed25519')
const stranger = generateKeyPairSync('ed25519')
const privateKey = (pair: typeof keys) => pair.privateKey.export({ type: 'pkcs8', format: 'pem' })

const configuration = {
  server: 'http://127.0.0.1:8080/',
  publicKey: '/etc/updater.pem',
  product: 'box',
  machine: 'guest 1',
  directory: '/data/updater',
  // The bad ones panic, and a busy machine takes minutes to confirm the good ones.
  deadline: 900,
  timeout: 120,
  // QEMU's machine has no watchdog that runs on over a kexec.
  allowGaps: true,
  via: 'direct',
}

const files: ImageEntry[] = [
  ...readdirSync('examples/updater')
    .filter((name) => name.endsWith('.mjs'))
    .map((name) => ({ path: `/opt/updater/${name}`, source: `examples/updater/${name}` })),
  { path: '/opt/updater/node_modules/linux-kexec', link: '/usr/lib/node_modules/linux-kexec' },
  { path: '/opt/server.mjs', source: 'test/vm/examples/update-server.mjs' },
  { path: '/opt/publisher.pem', data: privateKey(keys), mode: 0o600 },
  { path: '/opt/stranger.pem', data: privateKey(stranger), mode: 0o600 },
  { path: '/etc/updater.pem', data: keys.publicKey.export({ type: 'spki', format: 'pem' }) },
  { path: '/etc/updater.json', data: JSON.stringify(configuration) },
  { path: '/etc/linux-kexec/state-directory', data: '/data/linux-kexec\n' },
  { path: '/opt/bad.cpio', source: await initThatExits() },
]

const machine = machineForFile(
  { disks: [blankDisk(256)], firmwareReboot: 'after-panic', panicGrace: 120_000 },
  { packages: ['e2fsprogs'], files },
)

/** As the machine is after each boot: the disk is mounted, the boot loader has a menu, and the server can be reached. */
async function settle(): Promise<void> {
  const started = await machine.vm.run(`${findDisk}
    blkid $d >/dev/null 2>&1 || mkfs.ext4 -q $d
    mkdir -p /data && mount $d /data && mkdir -p -m 700 /data/linux-kexec && mkdir -p /data/published
    ${makeMenu(machine.older)}`)
  expect(started).toMatchObject({ status: 0 })
  await startServer()
}

const startServer = () => machine.vm.spawn('echo $$ > /run/server.pid; exec node /opt/server.mjs /data/published 8080')

async function publish(version: number, { key = 'publisher', initrd = `/boot/initrd.img-${machine.newer}` } = {}) {
  const made = await machine.vm.run(
    `node /opt/updater/publish.mjs /opt/${key}.pem /data/published box ${version} /boot/vmlinuz-${machine.newer} ${initrd}`,
  )
  expect(made, made.stderr).toMatchObject({ status: 0 })
}

const updater = (command: string) => machine.vm.run(`node /opt/updater/updater.mjs ${command}`, BOOT)

/** What the server was told, in order. */
async function reports() {
  const { stdout } = await machine.vm.run('cat /data/published/reports 2>/dev/null')
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}

/** Neither a kernel nor a trial. */
async function expectNothing() {
  const { stdout } = await machine.vm.run('cat /sys/kernel/kexec_loaded; ls /data/linux-kexec')
  expect(stdout).toBe('0\n')
}

describe('an update that is not what was published loads nothing', () => {
  test('signed by another key', async () => {
    await settle()
    await publish(1, { key: 'stranger' })
    expect(await updater('update')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('the signature of the manifest is wrong'),
    })
    expect((await machine.vm.run('ls /data/updater')).status).not.toBe(0)
    await expectNothing()
  })

  test('with one byte that is another', async () => {
    await publish(1)
    await machine.vm.run('printf X | dd of=/data/published/initrd-1 bs=1 seek=5000 conv=notrunc')
    expect(await updater('update')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('initrd-1 is not the file that was published: its SHA-256 differs'),
    })
    expect((await machine.vm.run('ls /data/updater/versions/1')).stdout).toBe('kernel\n')
    await expectNothing()
  })

  test('and a download that breaks off ends cleanly', async () => {
    await publish(1)
    const { stdout, stderr } = await machine.vm.run(
      `rm -r /data/updater; echo 3000000 > /data/published/stop
      node /opt/updater/updater.mjs update & updater=$!
      until [ -s /data/updater/versions/1/kernel.part ]; do sleep 0.1; done
      kill $(cat /run/server.pid); wait $updater; echo $?; ls /data/updater/versions/1`,
      BOOT,
    )
    expect(stdout, stderr).toBe('1\nkernel.part\n')
    expect(stderr, 'it sees the end').not.toContain('nothing came for')
    await expectNothing()
    await startServer()
  })
})

test('a good update goes on with its download, is confirmed, and is reported once', async () => {
  const { vm } = machine
  await vm.run('rm -f /data/published/requests; echo > /data/published/refuse')
  await vm.spawn('node /opt/updater/updater.mjs update')
  expect((await vm.booted(BOOT)).release).toBe(machine.newer)
  await settle()
  expect((await vm.run('cat /data/published/requests')).stdout).toMatch(/^GET kernel-1 bytes=\d+-$/m)
  // The server does not take the report; the update is confirmed anyway.
  expect(await updater('after-boot')).toMatchObject({ status: 1, stderr: expect.stringContaining('answered 503') })
  expect((await vm.run('linux-kexec trial; readlink /data/updater/current')).stdout).toMatch(
    /confirmed[\s\S]*versions\/1\n$/,
  )
  await vm.run('rm /data/published/refuse')
  for (const command of ['after-boot', 'after-boot', 'update'])
    expect(await updater(command), command).toMatchObject({ status: 0 })
  expect(await reports()).toMatchObject([{ machine: 'guest 1', version: 1, outcome: 'confirmed', reason: null }])
})

test('a bad update comes back, is reported once, and is not tried again', async () => {
  const { vm } = machine
  await vm.run(`cat /boot/initrd.img-${machine.newer} /opt/bad.cpio > /tmp/bad`)
  await publish(2, { initrd: '/tmp/bad' })
  await vm.spawn('node /opt/updater/updater.mjs update')
  const boot = await vm.booted(BOOT)
  expect(boot.release).toBe(machine.older)
  await settle()
  for (const command of ['after-boot', 'after-boot']) expect(await updater(command)).toMatchObject({ status: 0 })
  expect((await reports()).slice(1)).toMatchObject([
    { version: 2, outcome: 'taken-back', reason: 'It was started, and was not confirmed in time.' },
  ])
  expect(await updater('update')).toMatchObject({ status: 0, stdout: expect.stringContaining('was taken back') })
  // What a reset boots is still the version that was confirmed.
  expect((await vm.run('cat /sys/kernel/kexec_loaded; readlink /data/updater/current')).stdout).toBe('0\nversions/1\n')
})
