import type { Volume } from '../../paths/volumes.ts'

/** What a search was for. */
export interface Wanted {
  readonly kind: 'uuid' | 'label' | 'partuuid' | 'partlabel'
  readonly value: string
}

/** What a name of our own stands for: a file system that is known here, or only what a search was for. */
export type Named =
  | { readonly volume: Volume; readonly wanted?: never }
  | { readonly volume?: never; readonly wanted: Wanted }

/** The first disk that is made up: machines have less, and scripts expect a number behind `hd`. */
const FIRST = 9

/**
 * Names for file systems of which nothing tells how GRUB numbers them. They have GRUB's own form, `hd9,gpt1`, as scripts
 * take names apart; each is a disk of its own, as its neighbours are not known either.
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

  /** Whether a disk is one of these: its other partitions are unknown. */
  hasDisk(disk: string): boolean {
    return this.meanings.has(`${disk},gpt1`)
  }

  /** The first of these names in a text, which no machine's GRUB would have put there. */
  within(text: string): string | undefined {
    return [...text.matchAll(/hd\d+,gpt1(?!\d)/g)].map(([name]) => name).find((name) => this.meanings.has(name))
  }
}

/** A partition as GRUB names it, `hd0,gpt2`: the disk, and its number. */
export function partitionOf(device: string): { readonly disk: string; readonly number: number } | undefined {
  const [, disk, number] = /^((?:hd|fd|cd)\d*|ieee1275\/[^,]*),(?:[a-z]+)?(\d+)$/.exec(device) ?? []
  return disk === undefined ? undefined : { disk, number: Number(number) }
}
