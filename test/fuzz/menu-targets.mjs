import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readBootMenu } from '../../modules/entries/discover.js'
import { System } from '../../modules/system/system.js'
import { writeVariables } from './efi-variables.mjs'
import { containers } from './image-seeds.mjs'
import { environmentBlock, menuSeeds as more } from './menu-seeds.mjs'
import { isSentence } from './sentence.mjs'

const RELEASE = '6.1.0-50-cloud-amd64'
const kernel = readFileSync(join(import.meta.dirname, `../fixtures/kernels/vmlinuz-${RELEASE}.head`))

/** A kernel that entries may name, so that paths are found. */
const machine = {
  [`/boot/vmlinuz-${RELEASE}`]: kernel,
  [`/boot/initrd.img-${RELEASE}`]: '070701',
  '/proc/sys/kernel/osrelease': `${RELEASE}\n`,
}

const blsEntry = `title Debian\nversion ${RELEASE}\nlinux /vmlinuz-${RELEASE}\noptions root=/dev/sda1\n`

/** What reads a file of a tree, which is then listed as a whole. */
const listed = ({ tree = {}, ...target }) => ({ read, ...target, tree: { ...machine, ...tree } })

export const menuTargets = [
  {
    name: 'grub',
    path: '/boot/grub/grub.cfg',
    seeds: /\/grub2?\/(?:grub|custom)\.cfg$|\/grub-scripts\/[^/]*\.cfg$/,
    parser: 'entries/grub',
    reaches: 'nodeNamed',
  },
  {
    name: 'grubenv',
    path: '/boot/grub/grubenv',
    tree: {
      '/boot/grub/grub.cfg': `load_env\nset default="\${saved_entry}"\nmenuentry a { linux /boot/vmlinuz-${RELEASE} $kernelopts }\n`,
    },
    seeds: /\/grubenv$/,
    more: () => [environmentBlock({ saved_entry: 'a', kernelopts: 'root=/dev/sda1 ro', boot_success: '1' })],
    parser: 'entries/grub',
    reaches: 'endOfLine',
  },
  {
    name: 'bls',
    path: '/boot/loader/entries/a+3-1.conf',
    seeds: /\/entries\/[^/]*\.conf$/,
    parser: 'entries/bls',
    reaches: 'linuxOf',
  },
  {
    name: 'loader-conf',
    path: '/boot/loader/loader.conf',
    tree: { '/boot/loader/entries/a.conf': blsEntry, '/boot/loader/entries/b.conf': blsEntry },
    seeds: /\/loader\.conf$/,
    more: () => ['default a*\ntimeout 3\n', 'default @saved\npreferred b-[0-9]?.conf\n'],
    parser: 'entries/bls',
    reaches: 'isSaved',
  },
  {
    name: 'uki',
    path: '/boot/EFI/Linux/a.efi',
    seeds: /\/EFI\/Linux\/[^/]*\.efi$/i,
    // Those of the fixtures are longer than what mutation makes.
    more: () => containers()['unified-image'],
    parser: 'entries/bls',
    reaches: 'profileEntry',
  },
  {
    name: 'extlinux',
    path: '/boot/extlinux/extlinux.conf',
    seeds: /\/(?:extlinux\.conf|(?:isolinux|syslinux|menu|txt)\.cfg)$/,
    parser: 'entries/extlinux',
    reaches: 'labelEntry',
  },
  {
    name: 'grub-legacy',
    path: '/boot/grub/menu.lst',
    seeds: /\/(?:menu\.lst|grub\.conf)$/,
    parser: 'entries/grub-legacy',
    reaches: 'grubLegacyEntry',
  },
  { name: 'zipl', path: '/etc/zipl.conf', seeds: /\/zipl\.conf$/, parser: 'entries/zipl', reaches: 'sectionEntry' },
  {
    name: 'raspberry-pi',
    path: '/boot/firmware/config.txt',
    // What shows that this is a firmware's partition: without one of them config.txt may be anybody's.
    tree: { '/boot/firmware/cmdline.txt': 'console=tty1 root=PARTUUID=1-02\n', '/boot/firmware/start4.elf': '' },
    seeds: /\/config\.txt$/,
    more: () => more.raspberryPi,
    parser: 'entries/raspberry-pi',
    reaches: 'applyFilter',
  },
  {
    name: 'refind',
    path: '/boot/EFI/refind/refind.conf',
    seeds: /\/refind\.conf$/,
    more: () => more.refind,
    parser: 'entries/refind',
    reaches: 'stanzaEntry',
  },
  {
    name: 'refind-linux',
    path: '/boot/refind_linux.conf',
    seeds: /\/refind_linux\.conf$/,
    more: () => more.refindLinux,
    parser: 'entries/refind',
    reaches: 'quoted',
  },
  {
    name: 'limine',
    path: '/boot/limine.conf',
    seeds: /\/limine\.conf$/,
    more: () => more.limine,
    parser: 'entries/limine',
    reaches: 'entryOf',
  },
  {
    name: 'limine-7',
    path: '/boot/limine.cfg',
    seeds: /\/limine\.cfg$/,
    more: () => more.limine7,
    parser: 'entries/limine',
    reaches: 'entryOf',
  },
  {
    name: 'gentoo-kexec',
    path: '/etc/conf.d/kexec',
    tree: { '/proc/cmdline': 'BOOT_IMAGE=/vmlinuz root=/dev/sda1\n' },
    seeds: /\/conf\.d\/kexec$/,
    more: () => more.gentooKexec,
    words: ['KNAME', 'INITRD', 'BOOTPART', 'ROOTPART', 'KPARAM', 'KEXEC_OPT_ARGS'],
    parser: 'entries/places/shell-assignments',
    reaches: 'doubleQuoted',
  },
  {
    name: 'debian-kexec',
    path: '/etc/default/kexec',
    seeds: /\/default\/kexec$/,
    more: () => more.debianKexec,
    words: ['LOAD_KEXEC', 'KERNEL_IMAGE', 'INITRD', 'APPEND', 'USE_GRUB_CONFIG'],
    parser: 'entries/places/kexec-conf',
    reaches: 'menu',
  },
  {
    name: 'mountinfo',
    path: '/proc/self/mountinfo',
    seeds: /\/mountinfo$/,
    more: () => ['27 1 0:25 /@ / rw,relatime shared:1 - btrfs /dev/sda2 rw,subvol=/@\n'],
    parser: 'system/mounts',
    reaches: 'unescapeOctal',
  },
  {
    name: 'fstab',
    path: '/etc/fstab',
    seeds: /\/fstab$/,
    more: () => ['UUID=a / btrfs subvol=@ 0 0\nLABEL=b /boot ext4 defaults 0 2\n'],
    parser: 'system/mounts',
    reaches: 'unescapeOctal',
  },
  {
    name: 'os-release',
    path: '/etc/os-release',
    seeds: /\/os-release$/,
    more: () => ['PRETTY_NAME="Debian GNU/Linux 12"\n'],
    parser: 'entries/efi',
    reaches: 'unquote',
  },
  {
    name: 'proc-cmdline',
    path: '/proc/cmdline',
    seeds: /\/cmdline$/,
    more: () => ['BOOT_IMAGE=(hd0,gpt2)/vmlinuz root=/dev/sda1 x="a b" -- init=1\n'],
    parser: 'cmdline/parse',
    reaches: 'parseWord',
  },
  {
    name: 'kernel',
    path: '/boot/vmlinuz-6.6.0',
    seeds: /\/kernels\/[^/]*\.head$/,
    parser: 'image/formats/linux-images',
    reaches: 'textOffset',
  },
  {
    name: 'efi-variables',
    tree: { '/boot/loader/entries/a.conf': blsEntry, '/boot/loader/entries/b.conf': blsEntry },
    more: () => more.efiVariables,
    read: (bytes, place) => {
      writeVariables(bytes, place.root)
      return read(bytes, place)
    },
    parser: 'entries/bls',
    reaches: 'bare',
  },
].map(listed)

/** A new System: one remembers nothing, but a run should not depend on the one before. */
async function read(_bytes, { root }) {
  return violations(await readBootMenu({ system: new System(root) }))
}

/** What must hold of every list, whatever was read. @returns what does not, one sentence each */
function violations({ entries, loaders, problems }) {
  const wrong = []
  const check = (holds, text) => holds || wrong.push(text)
  check(new Set(entries.map(({ id }) => id)).size === entries.length, 'ids are not unique')
  check(entries.filter(({ isDefault }) => isDefault).length <= 1, 'there are two defaults')
  // Where every kernel belongs to another system, none is newest.
  const newest = entries.some(({ passedOver }) => passedOver === null) ? 1 : 0
  check(entries.filter(({ isNewest }) => isNewest).length === newest, 'not one newest')
  check(loaders.filter(({ inCharge }) => inCharge).length <= 1, 'two loaders are in charge')
  for (const entry of entries) {
    const paths = [entry.kernel, entry.deviceTree, ...entry.initrds].filter((path) => path !== null)
    for (const path of paths) check(isPath(path), `not a path inside the root: ${JSON.stringify(path)}`)
    for (const text of [entry.id, entry.title, entry.config]) check(typeof text === 'string', 'a text is missing')
    check(entry.sources[0] === entry.source, 'the first of sources is not source')
    check(entry.kernel !== null || entry.problems.length > 0, `no kernel, and no word why: ${entry.title}`)
    for (const { text } of entry.problems) check(isSentence(text), `no sentence: ${JSON.stringify(text)}`)
  }
  for (const { text } of problems) check(isSentence(text), `no sentence: ${JSON.stringify(text)}`)
  return wrong
}

function isPath(path) {
  // '(/dev/sda2)/boot/vmlinuz' lies on a file system that is not mounted.
  return /^(?:\([^)]*\))?\//.test(path) && !path.split('/').includes('..')
}
