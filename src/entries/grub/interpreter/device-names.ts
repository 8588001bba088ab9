import type { Volume } from '../../paths/volumes.ts'

/** The target of a search. */
export interface Wanted {
  readonly kind: 'uuid' | 'label' | 'partuuid' | 'partlabel'
  readonly value: string
}

/** The target of a made-up name: a file system that is known here, or only the target of a search. */
export type Named =
  | { readonly volume: Volume; readonly wanted?: never }
  | { readonly volume?: never; readonly wanted: Wanted }

/** The first made-up disk: machines have fewer, and scripts expect a number behind `hd`. */
const FIRST = 9

/**
 * Names for file systems whose GRUB numbers are unknown. They have GRUB's own form, `hd9,gpt1`, because scripts take
 * names apart; each is a disk of its own, because its neighbours are unknown too.
 */
export class DeviceNames {
  private readonly names = new Map<string, string>()
  private readonly meanings = new Map<string, Named>()

  of(named: Named): string {
    const key = named.volume === undefined ? `${named.wanted.kind}=${named.wanted.value}` : named.volume.name
    let name = this.names.get(key)
    if (name === undefined) {
      name = `hd${FIRST + this.names.size},gpt1`
      this.names.set(key, name)
      this.meanings.set(name, named)
    }
    return name
  }

  meaning(device: string): Named | undefined {
    return this.meanings.get(device)
  }

  /** Whether a disk is a made-up one: its other partitions are unknown. */
  hasDisk(disk: string): boolean {
    return this.meanings.has(`${disk},gpt1`)
  }

  /** The first made-up name in a text; no machine's GRUB would have put it there. */
  within(text: string): string | undefined {
    return [...text.matchAll(/hd\d+,gpt1(?!\d)/g)].map(([name]) => name).find((name) => this.meanings.has(name))
  }
}

/** A partition in GRUB's form, `hd0,gpt2`: the disk, and its number. */
export function partitionOf(device: string): { readonly disk: string; readonly number: number } | undefined {
  const [, disk, number] = /^((?:hd|fd|cd)\d*|ieee1275\/[^,]*),(?:[a-z]+)?(\d+)$/.exec(device) ?? []
  return disk === undefined ? undefined : { disk, number: Number(number) }
}
