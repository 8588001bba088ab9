import { join } from 'node:path'
import { expect, test } from 'vitest'
import { blankDisk, examineDisk, findDisk } from './disk.ts'
import { json, machineForFile } from './guests.ts'

const build = join(import.meta.dirname, '../../build')

/** Makes a system call fail in whatever it starts: kexec_load, kexec_file_load and reboot by deny_kexec. */
const denied = 'deny_kexec 38 --'

const machine = machineForFile(
  { disks: [blankDisk()], memory: 1024 },
  {
    packages: ['e2fsprogs', 'dmsetup'],
    modules: ['dm_mod'],
    files: [{ path: '/usr/local/bin/deny_kexec', source: join(build, 'Release/deny_kexec'), mode: 0o755 }],
  },
)

/** Shell that starts a process of another user, by which is told whether anything was ended; and one that tells. */
const witness = `[ -e /run/witness ] || { touch /run/witness; chmod 666 /run/witness
    setsid setpriv --reuid=65534 --regid=65534 --clear-groups \
      sh -c 'echo $$ > /run/witness; exec sleep 100000' </dev/null >/dev/null 2>&1 &
    until [ -s /run/witness ]; do sleep 0.1; done; }`
const isAlive = '[ -d /proc/$(cat /run/witness) ] && echo alive'

test.each([
  ['without CAP_KILL', 'setpriv --bounding-set=-kill --inh-caps=-kill', 'CAP_KILL'],
  ['without CAP_SYS_ADMIN', 'setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin', 'CAP_SYS_ADMIN'],
  ['without CAP_SYS_BOOT', 'setpriv --bounding-set=-sys_boot --inh-caps=-sys_boot', 'CAP_SYS_BOOT'],
  ['under a seccomp filter', denied, 'reboot(2), called in a way that changes nothing: ENOSYS'],
  ['with mounts of its own', 'unshare --mount', 'nsenter'],
  ['without /proc', `unshare --mount sh -c 'umount -l /proc; exec "$@"' -`, 'mount -t proc proc /proc'],
])('reboot --via direct %s is refused before anything is ended', async (_, wrapper, told) => {
  // What was refused before has left it loaded, so this loads once.
  const prepared = await machine.vm.run(
    `${witness}; [ $(cat /sys/kernel/kexec_loaded) = 1 ] || linux-kexec load newest`,
  )
  expect(prepared, prepared.stderr).toMatchObject({ status: 0 })
  for (const dryRun of [' --dry-run', '']) {
    const refused = await machine.vm.run(`${wrapper} linux-kexec reboot --via direct${dryRun}`)
    expect(refused.status, refused.stderr).toBe(3)
    expect(refused.stderr).toContain(told)
  }
  const after = await machine.vm.run(`${isAlive}; cat /proc/sys/kernel/kexec_load_disabled /sys/kernel/kexec_loaded`)
  expect(after.stdout).toBe('alive\n0\n1\n')
})

test('exec under a seccomp filter is refused, and ends and unmounts nothing', async () => {
  const refused = await machine.vm.run(`${findDisk}
    mkfs.ext4 -q $d && mkdir -p /mnt/data && mount $d /mnt/data
    ${denied} linux-kexec exec --end-processes --unmount; echo $?; ${denied} linux-kexec exec; echo $?
    grep -c /mnt/data /proc/mounts; ${isAlive}; umount /mnt/data`)
  expect(refused.stdout).toBe('3\n3\n1\nalive\n')
  expect(refused.stderr).toContain('this process may not call reboot(2)')
})

test('without /sys nothing is said that is not so, and the kernel is asked', async () => {
  const without = (command: string) => `unshare --mount sh -c 'umount -l /sys; exec "$@"' - ${command}`
  // The kernel's memory says it too.
  const told = await json(machine.vm, without('linux-kexec status'))
  expect(told).toMatchObject({ status: 0, document: { loaded: true, supported: true, kernel: { state: 'ours' } } })
  const blind = 'setpriv --bounding-set=-sys_rawio,-syslog --inh-caps=-sys_rawio,-syslog linux-kexec'
  const untold = await json(machine.vm, without(`${blind} status`))
  expect(untold).toMatchObject({ status: 1, document: { loaded: null, kernel: { state: 'unreadable' } } })
  const text = await machine.vm.run(without(`${blind} status`))
  expect(text.stdout).toContain('unknown')
  expect(text.stdout).not.toContain('not loaded')
  const refused = await machine.vm.run(without(`${blind} reboot`))
  expect(refused).toMatchObject({ status: 3, stderr: expect.stringContaining('mount -t sysfs sysfs /sys') })
  // It is unloaded although it could not be seen, and that there is nothing to start the kernel says.
  const unloaded = await json(machine.vm, without(`${blind} unload`))
  expect(unloaded).toMatchObject({ status: 0, document: { unloaded: null } })
  expect((await machine.vm.run('linux-kexec status')).status).toBe(4)
  const started = await machine.vm.run(without(`${blind} exec`))
  expect(started).toMatchObject({ status: 4, stderr: expect.stringContaining('no kernel is loaded') })
})

test('two loads at a time take turns: what is recorded is what the kernel holds', async () => {
  const { older, newer } = machine
  const both = await machine.vm.run(
    `for round in 1 2; do linux-kexec load ${older} & one=$!; linux-kexec load ${newer} & two=$!
      wait $one && wait $two && linux-kexec status || exit 1; done`,
    { deadline: 280_000 },
  )
  expect(both, both.stderr).toMatchObject({ status: 0 })
  expect(both.stdout.match(/loaded by linux-kexec$/gm)).toHaveLength(2)
  expect(both.stdout).not.toContain('another program')
})

test('a disk that does not answer is left behind, and nobody unloads the kernel on the way', async () => {
  const prepared =
    await machine.vm.run(`for each in /usr/lib/modules/$(uname -r)/kernel/dm-mod.ko /usr/lib/modules/$(uname -r)/kernel/dm_mod.ko; do
      [ ! -e $each ] || insmod $each; done
    ${findDisk}
    # Half of the disk each: one goes on, one will stop to answer.
    echo "0 65536 linear $d 0" | dmsetup create data
    echo "0 65536 linear $d 65536" | dmsetup create stuck
    dmsetup mknodes
    for each in data stuck; do
      mkfs.ext4 -q -F /dev/mapper/$each && mkdir -p /mnt/$each && mount -t ext4 /dev/mapper/$each /mnt/$each || exit 1
    done
    cat > /root/service <<'END'
#!/bin/sh
trap 'linux-kexec unload; echo "unload: $?" > /mnt/data/service; exit 0' TERM
echo running > /mnt/data/service
while :; do sleep 1; done
END
    chmod +x /root/service
    setsid /root/service </dev/null >/dev/null 2>&1 &
    until [ -s /mnt/data/service ]; do sleep 0.1; done
    linux-kexec load newest || exit 1
    echo kept > /mnt/stuck/lost; sync
    dmsetup suspend --noflush --nolockfs stuck
    # Whoever writes may have to wait for the disk itself.
    setsid sh -c 'echo lost >> /mnt/stuck/lost; dd if=/dev/zero of=/mnt/stuck/more bs=4k count=8' </dev/null >/dev/null 2>&1 &
    sleep 2`)
  expect(prepared, prepared.stderr).toMatchObject({ status: 0 })
  await machine.vm.spawn('linux-kexec reboot --via direct --deadline 20')
  expect((await machine.vm.booted({ deadline: 280_000 })).release).toBe(machine.newer)
  const text = machine.vm.console.map((each) => each.text).join('\n')
  expect(text).toContain('a file system does not answer')
  expect(text).toContain('/mnt/stuck (ext4) does not answer, and is left unchanged')
  const { stdout } = await machine.vm.run(examineDisk)
  expect(stdout).toMatch(/Filesystem state: +clean/)
  expect(stdout).not.toContain('needs_recovery')
  expect(stdout, 'it was refused, as the kernel takes no load and no unload any more').toContain('unload: 1')
})
