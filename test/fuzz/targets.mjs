import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * What is fuzzed: a file of a boot partition, or text that a parser takes as it is.
 * - `path`: where the bytes are put in a tree that is then listed as a whole
 * - `seeds`: which files of test/fixtures are such files
 * - `more`: inputs that the fixtures lack
 */
export const targets = [
  { name: 'grub', path: '/boot/grub/grub.cfg', seeds: /\/grub2?\/(?:grub|custom)\.cfg$/ },
  { name: 'grubenv', path: '/boot/grub/grubenv', seeds: /\/grubenv$/ },
  { name: 'bls', path: '/boot/loader/entries/a+3-1.conf', seeds: /\/entries\/[^/]*\.conf$/ },
  {
    name: 'loader-conf',
    path: '/boot/loader/loader.conf',
    seeds: /\/loader\.conf$/,
    more: ['default a*\ntimeout 3\n'],
  },
  { name: 'uki', path: '/boot/EFI/Linux/a.efi', seeds: /\/EFI\/Linux\/[^/]*\.efi$/i, more: [Buffer.from('MZ')] },
  {
    name: 'extlinux',
    path: '/boot/extlinux/extlinux.conf',
    seeds: /\/(?:extlinux\.conf|(?:isolinux|syslinux|menu|txt)\.cfg)$/,
  },
  { name: 'grub-legacy', path: '/boot/grub/menu.lst', seeds: /\/(?:menu\.lst|grub\.conf)$/ },
  { name: 'zipl', path: '/etc/zipl.conf', seeds: /\/zipl\.conf$/ },
  { name: 'raspberry-pi', path: '/boot/firmware/config.txt', seeds: /\/config\.txt$/ },
  { name: 'refind', path: '/boot/EFI/refind/refind.conf', seeds: /\/refind\.conf$/ },
  { name: 'refind-linux', path: '/boot/refind_linux.conf', seeds: /\/refind_linux\.conf$/ },
  { name: 'limine', path: '/boot/limine.conf', seeds: /\/limine\.(?:conf|cfg)$/ },
  { name: 'gentoo-kexec', path: '/etc/conf.d/kexec', seeds: /\/conf\.d\/kexec$/ },
  { name: 'debian-kexec', path: '/etc/default/kexec', seeds: /\/default\/kexec$/ },
  {
    name: 'mountinfo',
    path: '/proc/self/mountinfo',
    seeds: /\/mountinfo$/,
    more: ['27 1 0:25 /@ / rw,relatime shared:1 - btrfs /dev/sda2 rw,subvol=/@\n'],
  },
  {
    name: 'fstab',
    path: '/etc/fstab',
    seeds: /\/fstab$/,
    more: ['UUID=a / btrfs subvol=@ 0 0\nLABEL=b /boot ext4 defaults 0 2\n'],
  },
  {
    name: 'os-release',
    path: '/etc/os-release',
    seeds: /\/os-release$/,
    more: ['PRETTY_NAME="Debian GNU/Linux 12"\n'],
  },
  {
    name: 'proc-cmdline',
    path: '/proc/cmdline',
    seeds: /\/cmdline$/,
    more: ['BOOT_IMAGE=(hd0,gpt2)/vmlinuz root=/dev/sda1 x="a b" -- init=1\n'],
  },
  { name: 'kernel', path: '/boot/vmlinuz-6.6.0', seeds: /\/kernels\/[^/]*\.head$/ },
]

/** The rest of the tree: a kernel that entries may name, so that paths are found. */
export function prepareTree(root, fixtures) {
  const kernel = readFileSync(join(fixtures, 'kernels/vmlinuz-6.1.0-50-cloud-amd64.head'))
  const put = (path, bytes) => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), bytes)
  }
  put('/boot/vmlinuz-6.1.0-50-cloud-amd64', kernel)
  put('/boot/initrd.img-6.1.0-50-cloud-amd64', '070701')
  put('/proc/sys/kernel/osrelease', '6.1.0-50-cloud-amd64\n')
  for (const { path } of targets) mkdirSync(dirname(join(root, path)), { recursive: true })
}

/** The inputs a target begins with. */
export function seedsOf(target, fixtures) {
  const found = filesBelow(fixtures).filter((path) => target.seeds?.test(path))
  const seeds = [...found.map((path) => readFileSync(path)), ...(target.more ?? []).map((text) => Buffer.from(text))]
  return seeds.length > 0 ? seeds : [Buffer.from('\n')]
}

/** Links are not followed: a boot partition's leads back to itself. */
function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return filesBelow(path)
    return entry.isFile() ? [path] : []
  })
}

/** What must hold of every list, whatever was read. @returns what does not, one sentence each */
export function violations({ entries, loaders, problems }) {
  const wrong = []
  const check = (holds, text) => holds || wrong.push(text)
  check(new Set(entries.map(({ id }) => id)).size === entries.length, 'ids are not unique')
  check(entries.filter(({ isDefault }) => isDefault).length <= 1, 'there are two defaults')
  check(entries.filter(({ isNewest }) => isNewest).length === Math.min(1, entries.length), 'not one newest')
  check(loaders.filter(({ inCharge }) => inCharge).length <= 1, 'two loaders are in charge')
  for (const entry of entries) {
    const paths = [entry.kernel, entry.devicetree, ...entry.initrds].filter((path) => path !== null)
    for (const path of paths) check(isPath(path), `not a path inside the root: ${JSON.stringify(path)}`)
    for (const text of [entry.id, entry.title, entry.config]) check(typeof text === 'string', 'a text is missing')
    check(entry.sources[0] === entry.source, 'the first of sources is not source')
    check(entry.kernel !== null || entry.problems.length > 0, `no kernel, and no word why: ${entry.title}`)
    for (const problem of entry.problems) check(isSentence(problem), `no sentence: ${JSON.stringify(problem)}`)
  }
  for (const problem of problems) check(isSentence(problem), `no sentence: ${JSON.stringify(problem)}`)
  return wrong
}

function isPath(path) {
  // '(/dev/sda2)/boot/vmlinuz' lies on a file system that is not mounted.
  return /^(?:\([^)]*\))?\//.test(path) && !path.split('/').includes('..')
}

function isSentence(problem) {
  return (
    typeof problem === 'string' &&
    problem !== '' &&
    !/\bat .*\.[jt]s:\d|undefined|\[object |please report/.test(problem)
  )
}
