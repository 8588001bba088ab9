import { expect, test } from 'vitest'
import { readBootMenu } from '../../../../src/entries/discover.ts'
import type { BootEntry } from '../../../../src/entries/model/entry.ts'
import { selectEntry } from '../../../../src/entries/select.ts'
import { plan } from '../../../../src/index.ts'
import { System } from '../../../../src/system/system.ts'
import { peImage } from '../bls/image.ts'
import { identify, kernelOf, makeTree, type Tree } from '../tree.ts'

const OWN = 'aaaa0000-0000-4000-8000-000000000001'
const OTHER = 'bbbb0000-0000-4000-8000-000000000001'
const OWN_ID = 'a'.repeat(32)
const OTHER_ID = 'b'.repeat(32)
const link = (path: string, device: string): Tree => ({ [`/dev/disk/${path}`]: { link: `../../${device}` } })

/** An entry of 6.1.0 of this system, and one of 6.12.0 with what is given. */
function entries(own: string, theirs: string, more: Tree = {}): Tree {
  return {
    '/efi/vmlinuz-6.1.0': { kernel: '6.1.0' },
    '/efi/vmlinuz-6.12.0': { kernel: '6.12.0' },
    '/efi/loader/entries/own.conf': { text: `title own\nlinux /vmlinuz-6.1.0\n${own}\n` },
    '/efi/loader/entries/theirs.conf': { text: `title theirs\nlinux /vmlinuz-6.12.0\n${theirs}\n` },
    ...more,
  }
}

async function listed(tree: Tree): Promise<readonly BootEntry[]> {
  return (await readBootMenu({ system: new System(makeTree(tree)), identify })).entries
}

const running = (commandLine: string): Tree => ({ '/proc/cmdline': { text: `${commandLine}\n` } })
const fstab = (text: string): Tree => ({ '/etc/fstab': { text: `${text}\nUUID=A1A1-0001 /efi vfat defaults 0 2\n` } })
const mounted = (line: string): Tree => ({
  '/proc/self/mountinfo': { text: `${line}\n31 30 8:1 / /efi rw - vfat /dev/sda1 rw\n` },
})
const options = (text: string) => `options ${text}`

/** What is known of the system, what the other entry says, and why it is passed over. */
const others: readonly (readonly [string, Tree, string, RegExp])[] = [
  [
    'root by UUID, by fstab',
    fstab(`UUID=${OWN} / ext4`),
    options(`root=UUID=${OTHER}`),
    /another root file system: UUID=bbbb/,
  ],
  [
    'root by UUID, by the running command line',
    running(`root=UUID=${OWN} ro`),
    options(`root=UUID=${OTHER}`),
    /another root/,
  ],
  [
    'root by a device name, of which a link tells the UUID',
    {
      ...mounted('30 1 8:2 / / rw - ext4 /dev/sda2 rw'),
      ...link(`by-uuid/${OWN}`, 'sda2'),
      ...link(`by-uuid/${OTHER}`, 'sda3'),
    },
    options('root=/dev/sda3'),
    /another root/,
  ],
  [
    'root by PARTUUID, where a UUID is mounted',
    {
      ...fstab(`UUID=${OWN} / ext4`),
      ...link(`by-uuid/${OWN}`, 'sda2'),
      ...link('by-partuuid/0001-02', 'sda2'),
      ...link('by-partuuid/0001-03', 'sda3'),
    },
    options('root=PARTUUID=0001-03'),
    /another root/,
  ],
  ['root by LABEL', fstab('LABEL=mine / ext4'), options('root=LABEL=theirs'), /another root/],
  ['root by slot', running('root=PARTLABEL=rootfs_a'), options('root=PARTLABEL=rootfs_b'), /another root/],
  ['root by a mapped device', fstab('/dev/mapper/vg-root / ext4'), options('root=/dev/vg/other'), /another root/],
  ['root by a ZFS dataset', running('root=ZFS=rpool/ROOT/a'), options('root=ZFS=rpool/ROOT/b'), /another root/],
  [
    'the encrypted disk',
    running(`cryptdevice=UUID=${OWN}:root root=/dev/mapper/root`),
    options(`cryptdevice=UUID=${OTHER}:root root=/dev/mapper/root`),
    /another encrypted disk/,
  ],
  [
    'the ostree system',
    running('root=LABEL=r ostree=/ostree/boot.1/fedora/abc/0'),
    options('root=LABEL=r ostree=/ostree/boot.1/debian/abc/0'),
    /another ostree system: debian/,
  ],
  [
    'a subvolume of the mounted file system',
    { ...mounted('30 1 0:31 /@ / rw - btrfs /dev/sda2 rw,subvol=/@'), ...link(`by-uuid/${OWN}`, 'sda2') },
    options(`root=UUID=${OWN} rootflags=subvol=@other`),
    /another subvolume: @other, where this system's is @/,
  ],
  [
    "a snapshot, by fstab's subvolume",
    fstab(`UUID=${OWN} / btrfs subvol=/@`),
    options(`root=UUID=${OWN} rootflags=rw,subvol="@/.snapshots/7/snapshot"`),
    /a snapshot: @\/\.snapshots\/7\/snapshot/,
  ],
  [
    'the newer of two snapshots, where one of them runs',
    running(`root=UUID=${OWN} rootflags=subvol=@/.snapshots/42/snapshot`),
    options(`root=UUID=${OWN} rootflags=subvol=@/.snapshots/43/snapshot`),
    /a snapshot/,
  ],
  [
    'what looks like a snapshot, where nothing else tells',
    {},
    options('root=LABEL=r rootflags=subvol=@/.snapshots/7/snapshot'),
    /^a snapshot$/,
  ],
  ['a snapshot of ZFS', {}, options('root=ZFS=rpool/ROOT/a@autozsys_1'), /^a snapshot$/],
  [
    'the machine-id key',
    { '/etc/machine-id': { text: `${OWN_ID}\n` } },
    `machine-id ${OTHER_ID}`,
    /another installation: its machine-id is b+, this system's a+/,
  ],
  [
    'the machine-id in the path of the kernel',
    { '/etc/machine-id': { text: `${OWN_ID}\n` }, [`/efi/${OTHER_ID}/6.12.0/linux`]: { kernel: '6.12.0' } },
    `linux /${OTHER_ID}/6.12.0/linux`,
    /another installation/,
  ],
  [
    'a live system',
    running('root=/dev/sda2'),
    options('boot=casper live-media-path=/casper'),
    /a live or installation system \(boot=casper\)/,
  ],
  ['an installer', {}, options('inst.stage2=hd:LABEL=Fedora quiet'), /a live or installation system/],
  ['a recovery mode', {}, options('root=/dev/sda2 single'), /a recovery mode/],
  ['a shell', {}, options('root=/dev/sda2 init=/bin/bash'), /a recovery mode/],
  ['a factory reset', {}, options('systemd.factory_reset=1'), /a recovery mode/],
]

test.each(others)('another system by %s', async (_, known, theirs, reason) => {
  const list = await listed({ ...entries(options('quiet'), theirs), ...known })
  expect(list.find(({ isNewest }) => isNewest)).toMatchObject({ id: 'own.conf', passedOver: null })
  expect(list.find(({ id }) => id === 'theirs.conf')?.passedOver).toMatch(reason)
  expect(selectEntry(list, '6.12').id).toBe('theirs.conf')
})

/** The same root file system, or nothing that tells: the newer kernel is the newest. */
const same: readonly (readonly [string, Tree, string])[] = [
  ['nothing tells', {}, options(`root=UUID=${OTHER}`)],
  ['a root that no other name tells', running('root=/dev/sda2'), options(`root=UUID=${OTHER}`)],
  ['letter case of a UUID', fstab(`UUID=${OWN} / ext4`), options(`root=UUID=${OWN.toUpperCase()}`)],
  [
    'two names of one device',
    { ...fstab(`UUID=${OWN} / ext4`), ...link(`by-uuid/${OWN}`, 'sda2') },
    options('root=/dev/sda2'),
  ],
  ['a link in /dev', fstab(`UUID=${OWN} / ext4`), options(`root=/dev/disk/by-uuid/${OWN}`)],
  ["LVM's two names", fstab('/dev/mapper/my--vg-root / ext4'), options('root=/dev/my-vg/root')],
  [
    'the running command line, where fstab is out of date',
    { ...fstab(`UUID=${OTHER} / ext4`), ...running(`root=UUID=${OWN}`) },
    options(`root=UUID=${OWN}`),
  ],
  [
    'what is mounted, where the command line is that of the machine outside',
    {
      ...mounted('30 1 8:2 / / rw - ext4 /dev/sda2 rw'),
      ...link(`by-uuid/${OWN}`, 'sda2'),
      ...running(`root=UUID=${OTHER}`),
    },
    options(`root=UUID=${OWN}`),
  ],
  [
    'a machine-id that was there before the image was started, of the same root file system',
    { ...fstab(`UUID=${OWN} / ext4`), '/etc/machine-id': { text: OWN_ID } },
    `machine-id ${OTHER_ID}\noptions root=UUID=${OWN}`,
  ],
  [
    'the entry-token',
    { '/etc/machine-id': { text: OWN_ID }, '/etc/kernel/entry-token': { text: `${OTHER_ID}\n` } },
    `machine-id ${OTHER_ID}`,
  ],
  [
    'a generation of NixOS',
    running('init=/nix/store/a/init root=LABEL=nixos'),
    options('init=/nix/store/b/init root=LABEL=nixos'),
  ],
  ['another slot of no known root', running('roothash=aa'), options('roothash=bb')],
  ['the live system that runs', running('boot=casper quiet'), options('boot=casper splash')],
]

test.each(same)('the same system: %s', async (_, known, theirs) => {
  const list = await listed({ ...entries(options('quiet'), theirs), ...known })
  expect(list.find(({ isNewest }) => isNewest)).toMatchObject({ id: 'theirs.conf', passedOver: null })
})

test('where all look like snapshots and nothing tells which of them runs, the newest of them', async () => {
  const of = (number: number) => options(`root=LABEL=r rootflags=subvol=@/.snapshots/${number}/snapshot`)
  const list = await listed(entries(of(41), of(42)))
  expect(list.map(({ id, isNewest, passedOver }) => [id, isNewest, passedOver])).toEqual([
    ['theirs.conf', true, null],
    ['own.conf', false, null],
  ])
})

test('os-prober: entries of another system, even where their root file system is not told', async () => {
  const list = await listed({
    '/boot/vmlinuz-6.1.0': { kernel: '6.1.0' },
    '/boot/vmlinuz-6.12.0': { kernel: '6.12.0' },
    '/boot/grub/grub.cfg': {
      text: `menuentry 'own' { linux /boot/vmlinuz-6.1.0 ro\n}\nmenuentry 'other' --id 'osprober-gnulinux-simple-x' { linux /boot/vmlinuz-6.12.0 ro\n}\n`,
    },
  })
  expect(list.find(({ isNewest }) => isNewest)?.title).toBe('own')
})

test('a unified kernel image of another distribution, by its os-release', async () => {
  const image = (id: string, release: string) => ({
    file: peImage({
      sections: [
        ['.osrel', `ID=${id}\nPRETTY_NAME=${id}\n`],
        ['.cmdline', 'quiet'],
        ['.linux', kernelOf(release)],
      ],
    }),
  })
  const list = await listed({
    '/etc/os-release': { text: 'ID=mine\n' },
    '/efi/EFI/Linux/mine.efi': image('mine', '6.1.0'),
    '/efi/EFI/Linux/theirs.efi': image('theirs', '6.12.0'),
  })
  expect(list.find(({ isNewest }) => isNewest)?.id).toBe('mine.efi')
})

test('where every kernel belongs to another system, newest is refused with the reason', async () => {
  const list = await listed({
    ...entries(options('root=LABEL=a'), options('root=LABEL=b')),
    ...running('root=LABEL=c'),
  })
  expect(list.some(({ isNewest }) => isNewest)).toBe(false)
  expect(() => selectEntry(list, 'newest')).toThrow(/no entry starts the system that runs: .*another root file system/)
})

test('a recovery mode of a newer kernel is passed over; alone it is the newest', async () => {
  const alone = await listed({
    '/efi/vmlinuz-6.12.0': { kernel: '6.12.0' },
    '/efi/loader/entries/only.conf': { text: 'linux /vmlinuz-6.12.0\noptions single\n' },
  })
  expect(alone).toMatchObject([{ isNewest: true, passedOver: null }])
})

test("Arch's fallback initrd comes second", async () => {
  const list = await listed({
    '/efi/vmlinuz': { kernel: '6.12.0' },
    '/efi/initramfs.img': 'initrd',
    '/efi/initramfs-fallback.img': 'initrd',
    '/efi/loader/entries/b-fallback.conf': { text: 'linux /vmlinuz\ninitrd /initramfs-fallback.img\n' },
    '/efi/loader/entries/a.conf': { text: 'linux /vmlinuz\ninitrd /initramfs.img\n' },
  })
  expect(list.map(({ id, isNewest }) => [id, isNewest])).toEqual([
    ['b-fallback.conf', false],
    ['a.conf', true],
  ])
})

test('the modules of another system are not missed here', async () => {
  const tree = { ...entries(options('root=LABEL=a'), options('root=LABEL=b')), ...running('root=LABEL=a') }
  const list = await listed({ ...tree, '/lib/modules/6.1.0/modules.dep': { text: '' } })
  expect(list.map(({ problems }) => problems)).toEqual([[], []])
})

test('a plan warns of newer kernels that it passed over, and says why', async () => {
  const tree = entries(options('root=LABEL=a'), options('root=LABEL=b'))
  using made = await plan({ root: makeTree({ ...tree, ...running('root=LABEL=a') }), entry: 'newest' })
  expect(made.decisions[0]?.reason).toBe("entry own.conf: chosen by 'newest', one of 2 entries found")
  const text =
    "newer kernels are passed over: theirs.conf (another root file system: LABEL=b, where this system's is LABEL=a)"
  expect(made.warnings).toContainEqual({ code: 'newer-passed-over', text })
  using named = await plan({ root: makeTree({ ...tree, ...running('root=LABEL=a') }), entry: 'own.conf' })
  expect(named.warnings.filter(({ code }) => code === 'newer-passed-over')).toEqual([])
})

test('the medium of a live system: with no system here, its entries are those of this one', async () => {
  const live = entries(options('boot=casper'), options('boot=casper'))
  const newestOf = async (tree: Tree) => (await listed(tree)).find(({ isNewest }) => isNewest)?.id
  expect(await newestOf(live)).toBe('theirs.conf')
  expect(await newestOf({ ...live, ...running('root=/dev/sda1 ro') })).toBeUndefined()
  expect(await newestOf({ ...live, ...fstab('UUID=1 / ext4') })).toBeUndefined()
})
