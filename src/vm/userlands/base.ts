import { AGENT, agent } from '../initramfs/scripts.ts'
import type { FileTree } from '../initramfs/tree.ts'
import type { Architecture } from '../machine/architectures.ts'
import { initPrograms } from './userland.ts'

/** The parts of every guest: the directories, busybox, dash as /bin/sh, the agent, users and groups. */
export function addBase(tree: FileTree, busybox: string, { control }: Architecture): void {
  for (const path of [
    '/boot',
    '/dev',
    '/etc',
    '/mnt',
    '/proc',
    '/run',
    '/sys',
    '/usr/local/bin',
    '/var/log',
    '/var/lib',
  ]) {
    tree.add({ path, directory: true })
  }
  tree.add({ path: '/root', directory: true, mode: 0o700 })
  tree.add({ path: '/home/tester', directory: true, uid: 1000, gid: 1000 })
  for (const path of ['/tmp', '/var/tmp']) tree.add({ path, directory: true, mode: 0o1777 })
  tree.add({ path: '/usr/bin/busybox', source: busybox, mode: 0o755 })
  tree.add({ path: '/bin/sh', link: 'dash' })
  tree.add({ path: AGENT, data: agent(control), mode: 0o755 })
  tree.add({ path: '/etc/hostname', data: 'guest\n' })
  tree.add({ path: '/etc/hosts', data: '127.0.0.1 localhost guest\n' })
  tree.add({
    path: '/etc/passwd',
    data: `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
messagebus:x:100:100::/nonexistent:/usr/sbin/nologin
tester:x:1000:1000::/home/tester:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
`,
  })
  // The groups that udev's and systemd's own rules name.
  const groups =
    'adm:4 tty:5 disk:6 lp:7 kmem:15 dialout:20 cdrom:24 tape:26 audio:29 utmp:43 video:44 shadow:42 users:99'
  const systemGroups = 'systemd-journal:101 input:102 kvm:103 render:104 sgx:105 messagebus:106'
  const lines = ['root:0', 'daemon:1', ...groups.split(' '), ...systemGroups.split(' '), 'tester:1000', 'nogroup:65534']
  tree.add({ path: '/etc/group', data: lines.map((line) => `${line.replace(':', ':x:')}:\n`).join('') })
}

/** busybox for every program that no package has. */
export function addApplets(tree: FileTree, applets: readonly string[]): void {
  // util-linux's su asks PAM, whose configuration a maintainer script writes: unpacked, it lets nobody through.
  const taken = (name: string) =>
    name !== 'su' && ['bin', 'sbin'].some((directory) => tree.has(`/usr/${directory}/${name}`))
  for (const name of applets) if (!taken(name)) tree.add({ path: `/usr/bin/${name}`, link: 'busybox' })
}

/** The same beside an init system with its own programs. */
export function addAppletsBesideInit(tree: FileTree, applets: readonly string[]): void {
  addApplets(
    tree,
    applets.filter((name) => !initPrograms.includes(name)),
  )
}
