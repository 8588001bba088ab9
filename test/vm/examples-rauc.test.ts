import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { ImageEntry } from '../../src/vm/index.ts'
import { blankDisk, findDisk } from './disk.ts'
import { initThatExits, makeMenu } from './examples/machine.ts'
import { BOOT, machineForFile } from './guests.ts'

// examples/rauc with Debian's RAUC: real bundles, signed and with dm-verity, are installed into slots that are disks. A slot holds a
// kernel and an initrd, and the initrd brings the userland. The firmware starts slot A after each reset.

/** A key of the publisher, and its certificate, which is the keyring too. */
function makeKeys() {
  const directory = mkdtempSync(join(tmpdir(), 'linux-kexec-rauc-'))
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'certificate.pem')]
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '3650', '-subj', '/CN=publisher']
  execFileSync('openssl', [...request, '-keyout', key, '-out', certificate], { stdio: 'ignore' })
  return { key, certificate }
}

const { key, certificate } = makeKeys()
const configuration = {
  directory: '/data/rauc-kexec',
  makeDefault: '/etc/rauc/make-default',
  // The bad ones panic, and a busy machine takes minutes to confirm the good ones.
  deadline: 900,
  allowGaps: true,
  via: 'direct',
  slots: {
    A: { device: '/dev/disk/by-partlabel/slot-a', parameters: ['rauc.slot=A'] },
    B: { device: '/dev/disk/by-partlabel/slot-b', parameters: ['rauc.slot=B'] },
  },
}

const files: ImageEntry[] = [
  ...['rauc', 'updater'].flatMap((example) =>
    readdirSync(`examples/${example}`)
      .filter((name) => name.endsWith('.mjs'))
      .map((name) => ({
        path: `/usr/lib/rauc-kexec/${example}/${name}`,
        source: `examples/${example}/${name}`,
        mode: 0o755,
      })),
  ),
  { path: '/usr/lib/rauc-kexec/node_modules/linux-kexec', link: '/usr/lib/node_modules/linux-kexec' },
  { path: '/etc/rauc/system.conf', source: 'examples/rauc/system.conf' },
  { path: '/etc/rauc/kexec.json', data: JSON.stringify(configuration) },
  // A boot loader that reads a file.
  { path: '/etc/rauc/make-default', data: '#!/bin/sh\necho $1 > /data/default\n', mode: 0o755 },
  { path: '/etc/rauc/keyring.pem', source: certificate },
  { path: '/opt/key.pem', source: key },
  { path: '/opt/bad.cpio', source: await initThatExits() },
  { path: '/etc/linux-kexec/state-directory', data: '/data/linux-kexec\n' },
]

const machine = machineForFile(
  {
    ...{ memory: 1536, append: 'rauc.slot=A', firmwareReboot: 'after-panic', panicGrace: 120_000 },
    disks: [blankDisk(256), ...['slot-a', 'slot-b'].map((serial) => ({ ...blankDisk(48), serial }))],
  },
  {
    packages: ['e2fsprogs', 'rauc', 'rauc-service', 'dbus', 'squashfs-tools'],
    modules: ['loop', 'squashfs', 'dm-verity'],
    files,
  },
)

async function run(script: string) {
  const result = await machine.vm.run(script, BOOT)
  expect(result, result.stderr).toMatchObject({ status: 0 })
  return result.stdout
}

/** As the machine is after each boot: its disks, a boot menu, and RAUC's service on the system's bus. */
async function settle(): Promise<void> {
  await run(`${findDisk}
    blkid $d >/dev/null 2>&1 || mkfs.ext4 -q $d
    mkdir -p /data && mount $d /data && mkdir -p -m 700 /data/linux-kexec
    mkdir -p /dev/disk/by-partlabel && for b in /sys/block/vd*; do
      case $(cat $b/serial) in slot-*) ln -s /dev/\${b##*/} /dev/disk/by-partlabel/$(cat $b/serial) ;; esac; done
    for round in 1 2 3 4; do for each in /usr/lib/modules/$(uname -r)/kernel/*.ko; do
      insmod $each 2>/dev/null; done; done
    ${makeMenu(machine.older, 'rauc.slot=A')}
    ln -sfn /run /var/run && mkdir -p /run/dbus && dbus-daemon --system --fork`)
  await machine.vm.spawn('exec rauc --mount=/run/rauc service')
  await run('until rauc status >/dev/null 2>&1; do sleep 0.2; done')
}

/** Makes a bundle with an ext4 image of a slot. */
async function bundle(name: string, initrd: string): Promise<void> {
  await run(`rm -rf /tmp/slot /tmp/bundle && mkdir -p /tmp/slot/boot /tmp/bundle
    cp /boot/vmlinuz-${machine.newer} /tmp/slot/boot/vmlinuz && cat ${initrd} > /tmp/slot/boot/initrd.img
    mke2fs -q -t ext4 -d /tmp/slot /tmp/bundle/rootfs.ext4 40M
    cat > /tmp/bundle/manifest.raucm <<'MANIFEST'
[update]
compatible=my-box
version=${name}
[bundle]
format=verity
[image.rootfs]
filename=rootfs.ext4
MANIFEST
    rauc --cert=/etc/rauc/keyring.pem --key=/opt/key.pem bundle --mksquashfs-args='-noD -noI -noF -noX' \\
      /tmp/bundle /data/${name}.raucb`)
}

/** RAUC's own view: the slot that is booted, the one that is to be booted, and the state of each. */
async function slots() {
  const status = JSON.parse(await run('rauc status --output-format=json'))
  const states = status.slots.map((each: Record<string, { bootname: string; boot_status: string }>) =>
    Object.values(each).map(({ bootname, boot_status }) => [bootname, boot_status]),
  )
  return { booted: status.booted, primary: status.boot_primary, ...Object.fromEntries(states.flat()) }
}

const start = () => machine.vm.spawn('node /usr/lib/rauc-kexec/rauc/start.mjs')

test('a bundle that does not come up comes back, and its slot is bad', async () => {
  await settle()
  await bundle('bad', `/boot/initrd.img-${machine.newer} /opt/bad.cpio`)
  await run('rauc install /data/bad.raucb')
  expect(await slots()).toMatchObject({ booted: 'A', primary: 'rootfs.1', A: 'good', B: 'good' })
  await start()
  const boot = await machine.vm.booted(BOOT)
  expect(boot).toMatchObject({ release: machine.older, commandLine: expect.stringContaining('rauc.slot=A') })
  await settle()
  expect(await slots()).toMatchObject({ booted: 'A', primary: 'rootfs.0', A: 'good', B: 'bad' })
  expect(await run('linux-kexec trial')).toContain('taken')
  // Nothing is to be tried, and the boot loader was never told.
  expect(await run('node /usr/lib/rauc-kexec/rauc/start.mjs; ls /data/default 2>/dev/null || true')).toBe(
    'no slot is to be tried\n',
  )
})

test('a good bundle is started on trial, and marking it good confirms it', async () => {
  await bundle('good', `/boot/initrd.img-${machine.newer}`)
  await run('rauc install /data/good.raucb')
  await start()
  const boot = await machine.vm.booted(BOOT)
  expect(boot).toMatchObject({ release: machine.newer, commandLine: expect.stringContaining('rauc.slot=B') })
  await settle()
  expect(await slots()).toMatchObject({ booted: 'B', primary: 'rootfs.1', B: 'good' })
  expect(await run('ls /data/default 2>/dev/null || true')).toBe('')
  await run('rauc status mark-good')
  expect(await run('cat /data/default; linux-kexec trial')).toMatch(/^B\n[\s\S]*confirmed/)
  expect(await slots()).toMatchObject({ booted: 'B', primary: 'rootfs.1', A: 'good', B: 'good' })
})
