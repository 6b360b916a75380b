/** Memory of frames that were given back, for frames to come. */

/** Most bytes kept, but for one buffer at least: as much as the reads under way fill (`READ_BYTES` in video.ts). */
const SPARE_BYTES = 4 * 1024 * 1024;

/**
 * A fresh buffer is zeroed, comes in page by page, and when it is done with waits for a garbage collection, which V8 puts off
 * until tens of megabytes have come together. One that comes back costs none of that.
 */
export class FramePool {
  readonly #spare: ArrayBuffer[] = [];

  /** A buffer of exactly so many bytes; what is in it means nothing. */
  take(bytes: number): ArrayBuffer {
    if (this.#spare[0]?.byteLength !== bytes) this.clear();
    return this.#spare.pop() ?? new ArrayBuffer(bytes);
  }

  /** Takes the memory out of `buffer`, if any is left in it, and keeps it if frames need `bytes` now. */
  giveBack(buffer: ArrayBuffer, bytes: number): void {
    if (buffer.byteLength === 0) return;
    const memory = structuredClone(buffer, { transfer: [buffer] });
    if (memory.byteLength !== bytes) return;
    if (this.#spare[0]?.byteLength !== bytes) this.clear();
    if (this.#spare.length === 0 || (this.#spare.length + 1) * bytes <= SPARE_BYTES) {
      this.#spare.push(memory);
    }
  }

  clear(): void {
    this.#spare.length = 0;
  }
}
