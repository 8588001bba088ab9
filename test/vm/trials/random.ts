/** Numbers that a seed decides, so that a run can be repeated (mulberry32, Tommy Ettinger, public domain). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** At least 0 and less than 1. */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number; both ends are possible. */
  between(least: number, most: number): number {
    return least + Math.floor(this.fraction() * (most - least + 1))
  }

  chance(probability: number): boolean {
    return this.fraction() < probability
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.between(0, items.length - 1)] as Item
  }

  /** All of them, in another order. */
  shuffle<Item>(items: readonly Item[]): Item[] {
    const left = [...items]
    return items.map(() => left.splice(this.between(0, left.length - 1), 1)[0] as Item)
  }
}

/** Deals items by their weight, without end: each as often as its weight before the cards are shuffled again. */
export class Deck<Item extends { readonly weight: number }> {
  readonly #random: Random
  readonly #cards: readonly Item[]
  #left: Item[] = []

  constructor(random: Random, items: readonly Item[]) {
    this.#random = random
    this.#cards = items.flatMap((item) => Array.from({ length: item.weight }, () => item))
  }

  deal(): Item {
    if (this.#left.length === 0) this.#left = this.#random.shuffle(this.#cards)
    return this.#left.pop() as Item
  }
}
