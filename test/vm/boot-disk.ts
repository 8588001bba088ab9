import { execFileSync } from 'node:child_process'
import {
  closeSync,
  cpSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

/** A partition, as a line of a fixture's disk.txt gives it: `partition TYPE UUID LABEL DIRECTORY [SUBVOLUME]`. */
export interface Partition {
  readonly type: string
  readonly uuid: string
  readonly label: string | null
  /** Directory of the tree that it is mounted at; '-' when it is another system's, and empty here. */
  readonly directory: string
  /** Directory of the file system that is mounted there; '/' for all of it. */
  readonly top: string
  /** Bytes, whole MiB; by default enough for a tree of small files. */
  readonly size?: number
  /** Whether ext4 is that indeed, with a journal; by default all of ext are ext2. */
  readonly journalled?: boolean
}

export interface DiskPlan {
  readonly table: 'gpt' | 'msdos'
  readonly partitions: readonly Partition[]
  /** GRUB's $prefix, with its device; `prefix DIRECTORY`, by default the one of grub-install. */
  readonly prefix: string
  /** Name of the configuration in it. */
  readonly config: string
  /** What GRUB is to believe it runs on. */
  readonly firmware: 'pc' | 'efi'
}

const SECTOR = 512
const MEBIBYTE = 1024 * 1024

/** First sector of GRUB's core image: behind both kinds of partition table, before the first partition. */
const CORE_SECTOR = 64

/** Bytes per partition: the least that mkfs.btrfs takes, and enough for any tree of small files. */
const sizes: Record<string, number> = { btrfs: 128 * MEBIBYTE, vfat: 34 * MEBIBYTE }
const OTHER_SIZE = 16 * MEBIBYTE

/** Reads disk.txt. */
export function parseDiskPlan(text: string): DiskPlan {
  const lines = text.split('\n').map((line) => line.split(' '))
  const table = lines.find(([word]) => word === 'table')?.[1] === 'msdos' ? 'msdos' : 'gpt'
  const partitions = lines.flatMap(([word, type = '', uuid = '', label = '-', directory = '/', top = '/']) =>
    word === 'partition' ? [{ type, uuid, label: label === '-' ? null : label, directory, top }] : [],
  )
  const word = (name: string) => lines.find(([first]) => first === name)
  const prefix = word('prefix')?.[1] ?? defaultPrefix(table, partitions)
  const firmware = word('firmware')?.[1] === 'efi' ? 'efi' : 'pc'
  return { table, partitions, prefix, config: word('config')?.[1] ?? 'grub.cfg', firmware }
}

/** /boot/grub, on the partition that holds it. */
function defaultPrefix(table: string, partitions: readonly Partition[]): string {
  const boot = partitions.findIndex(({ directory }) => directory === '/boot')
  const index = boot === -1 ? partitions.findIndex(({ directory }) => directory === '/') : boot
  const top = partitions[index]?.top ?? '/'
  return `(hd0,${table}${index + 1})${join(top, boot === -1 ? '/boot' : '', '/grub')}`
}

/**
 * Writes a disk that the firmware boots GRUB from, with the tree on its partitions. Needs no root.
 * @param tree directory with the whole tree; it is taken apart.
 * @param boot GRUB's boot.img and core.img.
 */
export function writeBootDisk(
  disk: string,
  plan: DiskPlan,
  tree: string,
  boot: { sector: Buffer; core: Buffer },
): void {
  const starts = plan.partitions.map((_, index) => 2048 + sum(plan.partitions.slice(0, index).map(sizeOf)) / SECTOR)
  const end = 2048 * SECTOR + sum(plan.partitions.map(sizeOf))
  const file = openSync(disk, 'w')
  ftruncateSync(file, end + MEBIBYTE)
  const first = Buffer.from(boot.sector)
  // boot.img has code for floppies where a disk has its partition table.
  first.fill(0, 0x1be, 0x1fe)
  const core = Buffer.from(boot.core)
  if (CORE_SECTOR * SECTOR + core.length > 2048 * SECTOR)
    throw new Error(`GRUB's core image is too large: ${core.length}`)
  // Where boot.img finds the core image, and where the core image's first sector finds the rest of it (GRUB's manual,
  // "BIOS installation"; both are sector numbers that grub-install would write).
  first.writeBigUInt64LE(BigInt(CORE_SECTOR), 0x5c)
  core.writeBigUInt64LE(BigInt(CORE_SECTOR + 1), 0x1f4)
  const tableOf = plan.table === 'gpt' ? gpt : msdos
  tableOf(
    file,
    first,
    plan.partitions.map((partition, index) => ({
      start: starts[index] as number,
      sectors: sizeOf(partition) / SECTOR,
    })),
  )
  writeSync(file, core, 0, core.length, CORE_SECTOR * SECTOR)
  // The deepest first: what is mounted in a directory is not on the file system above it.
  const order = [...plan.partitions.entries()].sort(
    ([, one], [, other]) => other.directory.length - one.directory.length,
  )
  for (const [index, partition] of order) {
    const image = `${disk}.${index}`
    const directory = partition.directory === '-' ? `${image}.empty` : join(tree, partition.directory)
    writeFileSystem(image, partition, directory)
    copyInto(file, (starts[index] as number) * SECTOR, image)
    rmSync(image)
    if (partition.directory === '/') continue
    for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true })
  }
  closeSync(file)
}

function sizeOf({ type, size }: Partition): number {
  return size ?? sizes[type] ?? OTHER_SIZE
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

interface Extent {
  readonly start: number
  readonly sectors: number
}

function msdos(file: number, first: Buffer, extents: readonly Extent[]): void {
  for (const [index, extent] of extents.entries()) writeEntry(first, index, 0x83, extent)
  writeSync(file, first, 0, SECTOR, 0)
}

function writeEntry(first: Buffer, index: number, type: number, { start, sectors }: Extent): void {
  const at = 0x1be + 16 * index
  first[at + 4] = type
  first.writeUInt32LE(start, at + 8)
  first.writeUInt32LE(sectors, at + 12)
}

/** As much of a GPT as GRUB reads: it looks at no checksum and at no second copy. */
function gpt(file: number, first: Buffer, extents: readonly Extent[]): void {
  writeEntry(first, 0, 0xee, { start: 1, sectors: 0xffffffff })
  const header = Buffer.alloc(SECTOR)
  header.write('EFI PART', 'latin1')
  header.writeUInt32LE(0x10000, 8)
  header.writeUInt32LE(92, 12)
  header.writeBigUInt64LE(1n, 24)
  header.writeBigUInt64LE(2n, 72)
  header.writeUInt32LE(128, 80)
  header.writeUInt32LE(128, 84)
  const entries = Buffer.alloc(128 * 128)
  for (const [index, { start, sectors }] of extents.entries()) {
    // "Linux filesystem data", and a unique number.
    Buffer.from('af3dc60f838472478e793d69d8477de4', 'hex').copy(entries, index * 128)
    entries[index * 128 + 16] = index + 1
    entries.writeBigUInt64LE(BigInt(start), index * 128 + 32)
    entries.writeBigUInt64LE(BigInt(start + sectors - 1), index * 128 + 40)
  }
  writeSync(file, Buffer.concat([first, header, entries]), 0, 2 * SECTOR + entries.length, 0)
}

function writeFileSystem(image: string, partition: Partition, directory: string): void {
  const { type, uuid, label } = partition
  mkdirSync(directory, { recursive: true })
  writeFileSync(image, '')
  truncateSync(image, sizeOf(partition))
  if (type === 'vfat') {
    run('mkfs.fat', ['-i', uuid.replace('-', ''), ...(label === null ? [] : ['-n', label]), image])
    for (const name of readdirSync(directory)) run('mcopy', ['-s', '-Q', '-i', image, join(directory, name), '::/'])
    return
  }
  const named = ['-U', uuid, ...(label === null ? [] : ['-L', label])]
  if (type !== 'btrfs') {
    // GRUB's own ways are the same on all of them.
    run('mke2fs', ['-q', '-F', '-t', partition.journalled ? 'ext4' : 'ext2', '-d', directory, ...named, image])
    return
  }
  const top = partition.top === '/' ? directory : `${image}.top`
  if (top !== directory) cpSync(directory, join(top, partition.top), { recursive: true, verbatimSymlinks: true })
  run('mkfs.btrfs', ['-q', '--rootdir', top, ...named, image])
  if (top !== directory) rmSync(top, { recursive: true })
}

function run(program: string, args: readonly string[]): void {
  const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`
  execFileSync(program, args, { env: { ...process.env, PATH: path }, stdio: ['ignore', 'ignore', 'pipe'] })
}

/** Copies what is not zero. */
function copyInto(file: number, offset: number, image: string): void {
  const source = openSync(image, 'r')
  const zeros = Buffer.alloc(MEBIBYTE)
  const block = Buffer.alloc(MEBIBYTE)
  for (let at = 0; ; at += MEBIBYTE) {
    const length = readSync(source, block, 0, MEBIBYTE, at)
    if (length === 0) break
    if (!block.subarray(0, length).equals(zeros.subarray(0, length))) writeSync(file, block, 0, length, offset + at)
  }
  closeSync(source)
}

/** Where GRUB's `(hd0,gptN)/path` is in the tree; null for a path that is on none of the partitions. */
export function pathInTree(plan: DiskPlan, number: number, path: string): string | null {
  const partition = plan.partitions[number - 1]
  if (partition === undefined || partition.directory === '-') return null
  const { top, directory } = partition
  const below = top === '/' ? path : path.startsWith(`${top}/`) ? path.slice(top.length) : null
  return below === null ? null : join(directory, below)
}

export function readDiskPlan(file: string): DiskPlan {
  if (!existsSync(file)) throw new Error(`${dirname(file)} has no disk.txt`)
  return parseDiskPlan(readFileSync(file, 'utf8'))
}
