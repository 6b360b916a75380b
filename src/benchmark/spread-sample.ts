/** Most items that are kept. */
const CAPACITY = 12;

/**
 * A few items of a row whose length nobody knows, evenly spread over it: every item at first, then, whenever there are too many, every second of those
 * kept. Rows of the same length give the items at the same places: from 6 on never fewer than 6, never more than 12.
 */
export class SpreadSample<Item> {
  readonly #items: Item[] = [];
  #added = 0;
  #stride = 1;

  add(item: Item): void {
    if (this.#added++ % this.#stride !== 0) return;
    if (this.#items.length === CAPACITY) {
      for (let i = 0; 2 * i < CAPACITY; i++) this.#items[i] = this.#items[2 * i] as Item;
      this.#items.length = CAPACITY / 2;
      this.#stride *= 2;
    }
    this.#items.push(item);
  }

  get items(): readonly Item[] {
    return this.#items;
  }
}
