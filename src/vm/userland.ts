import { AGENT, agent, agentUnit, busyboxInit } from './scripts.ts'
import type { FileTree } from './tree.ts'

/** What a systemd guest is made of, beside what these depend on. Packages marked essential are named by nobody's Depends. */
export const systemdPackages = [
  'systemd',
  'systemd-sysv',
  'udev',
  'dbus',
  'kmod',
  'base-files',
  'bash',
  'coreutils',
  'dash',
  'findutils',
  'grep',
  'login',
  'mount',
  'procps',
  'sed',
  // Or init-system-helpers brings usrmerge, and that all of perl.
  'usr-is-merged',
  'util-linux',
]

/** Names that belong to the init system: busybox must not stand in for them. */
const initPrograms = ['init', 'linuxrc', 'halt', 'poweroff', 'reboot', 'shutdown', 'telinit', 'runlevel']

/** A userland of busybox, with dash as its shell and a script of ours as PID 1. */
export function addBusybox(tree: FileTree, busybox: string, applets: readonly string[]): void {
  addBase(tree, busybox)
  addApplets(tree, applets)
  tree.add({ path: '/sbin/init', data: busyboxInit, mode: 0o755 })
}

/** Completes unpacked systemd packages to a system that boots: what their maintainer scripts would have made. */
export function addSystemd(tree: FileTree, busybox: string, applets: readonly string[]): void {
  addBase(tree, busybox)
  addApplets(
    tree,
    applets.filter((name) => !initPrograms.includes(name)),
  )
  const units = '/etc/systemd/system'
  tree.add({ path: '/etc/machine-id', data: '00000000000000000000000000000001\n', mode: 0o444 })
  tree.add({ path: `${units}/default.target`, link: '/usr/lib/systemd/system/multi-user.target' })
  tree.add({ path: `${units}/dbus.service`, link: '/usr/lib/systemd/system/dbus.service' })
  tree.add({ path: `${units}/linux-kexec-vm.service`, data: agentUnit })
  tree.add({ path: `${units}/multi-user.target.wants/linux-kexec-vm.service`, link: '../linux-kexec-vm.service' })
  // No login prompts: nobody answers, and the console is for the log.
  tree.add({ path: '/etc/systemd/system-generators/systemd-getty-generator', link: '/dev/null' })
  tree.add({ path: `${units}/getty.target`, link: '/dev/null' })
}

function addBase(tree: FileTree, busybox: string): void {
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
  tree.add({ path: AGENT, data: agent, mode: 0o755 })
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

function addApplets(tree: FileTree, applets: readonly string[]): void {
  // util-linux's su asks PAM, whose configuration a maintainer script writes: unpacked, it lets nobody through.
  const taken = (name: string) => name !== 'su' && ['bin', 'sbin'].some((folder) => tree.has(`/usr/${folder}/${name}`))
  for (const name of applets) if (!taken(name)) tree.add({ path: `/usr/bin/${name}`, link: 'busybox' })
}
