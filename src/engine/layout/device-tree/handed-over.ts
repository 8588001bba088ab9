import {
  addressIn,
  cellsOf,
  chosenNode,
  type DeviceTree,
  type MemoryReservation,
  type TreeNode,
  textOf,
} from '../../../device-tree/tree.ts'
import type { MemoryRange } from '../../../system/memory-ranges.ts'
import { rangesIn } from './memory.ts'

/** The inputs of a new kernel in its device tree, besides the machine itself. Addresses and sizes in bytes. */
export interface HandedOver {
  readonly commandLine: string
  readonly initrd: { readonly address: number; readonly length: number } | null
  /** Eight new random bytes: where the kernel puts itself. Null for kernels that do not use them. */
  readonly kaslrSeed: Buffer | null
  /** New random bytes for its generator. */
  readonly rngSeed: Buffer
  /** For a crash kernel: the ELF header of the crashed memory, and the memory it may use. Null for others. */
  readonly crash: { readonly header: MemoryRange; readonly usable: readonly MemoryRange[] } | null
}

/** Random bytes that the kernel's own loader gives: RNG_SEED_SIZE of drivers/of/kexec.c. */
export const RNG_SEED = 128
export const KASLR_SEED = 8

/**
 * Properties of the past boot, in /chosen: a kernel that finds them would take freed memory, or another kernel's
 * parameters, for its own. early_init_dt_scan_chosen() and the checks after it in drivers/of/fdt.c, drivers/of/kexec.c
 * and drivers/firmware/efi/libstub/fdt.c read and write these, except the machine's own: stdout-path, EFI's tables and
 * memory map.
 */
export const staleProperties = [
  'bootargs',
  'linux,initrd-start',
  'linux,initrd-end',
  // A crash kernel's, and those of a crashed kernel.
  'linux,elfcorehdr',
  'linux,usable-memory-range',
  // Of POWER's crash kernels.
  'linux,crashkernel-base',
  'linux,crashkernel-size',
  'linux,memory-limit',
  // Measurements that the previous kernel passed on.
  'linux,ima-kexec-buffer',
  'linux,ima-kexec-buffer-size',
  'linux,tpm-kexec-buffer',
  'linux,tpm-kexec-buffer-size',
  // Kexec handover: memory that the previous kernel kept, since 6.16.
  'linux,kho-fdt',
  'linux,kho-scratch',
  'linux,booted-from-kexec',
  // Used secrets: a second use would make them known.
  'kaslr-seed',
  'rng-seed',
] as const

/**
 * The machine's tree with the inputs of the new kernel, as the kernel's own loader has it (of_kexec_alloc_and_setup_fdt
 * of drivers/of/kexec.c), with one difference: the initrd is not among the reservations. Each kernel reserves it by
 * itself, and kexec-tools copies reservations unchanged, so alternating loads with ours would each lose that memory for
 * ever. All other values stay as they are: the place of EFI's tables and its memory map, memory nodes, reservations.
 */
export function handOver(tree: DeviceTree, contents: HandedOver): DeviceTree {
  const { commandLine, initrd, kaslrSeed, rngSeed, crash } = contents
  const made = withoutBoot(tree)
  const chosen = chosenNode(made)
  if (commandLine !== '') chosen.properties.set('bootargs', textOf(commandLine))
  if (initrd !== null) {
    chosen.properties.set('linux,initrd-start', cellsOf(initrd.address))
    chosen.properties.set('linux,initrd-end', cellsOf(initrd.address + initrd.length))
  }
  if (kaslrSeed !== null) chosen.properties.set('kaslr-seed', kaslrSeed)
  chosen.properties.set('rng-seed', rngSeed)
  chosen.properties.set('linux,booted-from-kexec', Buffer.alloc(0))
  if (crash !== null) tellOfCrash(made, chosen, crash)
  return made
}

/** In the root's cells, as the kernel reads them: early_init_dt_check_for_elfcorehdr of drivers/of/fdt.c. */
function tellOfCrash(
  { root, reservations }: DeviceTree,
  chosen: TreeNode,
  crash: NonNullable<HandedOver['crash']>,
): void {
  const [header, usable] = [rangesIn([crash.header], root), rangesIn(crash.usable, root)]
  if (header !== undefined) chosen.properties.set('linux,elfcorehdr', header)
  if (usable !== undefined) chosen.properties.set('linux,usable-memory-range', usable)
  const { start, end } = crash.header
  reservations.push({ address: BigInt(start), size: BigInt(end - start) })
}

/** A copy without the values of the past boot. */
export function withoutBoot(tree: DeviceTree): DeviceTree {
  const made = copyOf(tree)
  const chosen = chosenNode(made)
  const old = oldInitrd(chosen)
  for (const name of staleProperties) chosen.properties.delete(name)
  return { ...made, reservations: made.reservations.filter((each) => old === undefined || !isSame(each, old)) }
}

/** The place of the past boot's initrd, which its loader may have reserved. */
function oldInitrd(chosen: TreeNode): MemoryReservation | undefined {
  const [start, end] = [addressIn(chosen, 'linux,initrd-start'), addressIn(chosen, 'linux,initrd-end')]
  return start === undefined || end === undefined || end < start ? undefined : { address: start, size: end - start }
}

/** Loaders reserve either its bytes or its pages. */
function isSame({ address, size }: MemoryReservation, initrd: MemoryReservation): boolean {
  const [end, wanted] = [address + size, initrd.address + initrd.size]
  return address === initrd.address && end >= wanted && end - wanted < LARGEST_PAGE
}

const LARGEST_PAGE = 65_536n

function copyOf({ root, reservations, ...others }: DeviceTree): DeviceTree {
  return { ...others, reservations: [...reservations], root: copyOfNode(root) }
}

/** Values are never changed in place, so they may be shared. */
function copyOfNode({ name, properties, children }: TreeNode): TreeNode {
  return { name, properties: new Map(properties), children: children.map(copyOfNode) }
}
