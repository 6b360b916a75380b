/** Memory of frames that were given back, for frames to come. */

/**
 * A fresh buffer comes in page by page, and when it is done with waits for a garbage collection, which V8 puts off
 * until tens of megabytes have come together. One that comes back costs none of that.
 */
export class FramePool {
  /** All of one length. At most as many as the largest read takes: two reads are under way, so it cannot be the greater part. */
  readonly #spare: ArrayBuffer[] = [];
  #largestRead = 0;

  /** Buffers of exactly so many bytes for one read; what is in them means nothing. */
  take(count: number, bytes: number): ArrayBuffer[] {
    const spare = this.#spareOf(bytes);
    this.#largestRead = Math.max(this.#largestRead, count);
    const buffers: ArrayBuffer[] = [];
    while (buffers.length < count) {
      buffers.push(spare.pop() ?? uninitialised(bytes));
    }
    return buffers;
  }

  /** Takes the memory out of `buffer`, if any is left in it, and keeps it if frames need `bytes` now. */
  giveBack(buffer: ArrayBuffer, bytes: number): void {
    if (buffer.byteLength === 0) return;
    const memory = takeOver(buffer);
    if (memory.byteLength !== bytes) return;
    const spare = this.#spareOf(bytes);
    if (spare.length < this.#largestRead) spare.push(memory);
  }

  /** What is spare of `bytes` each; what has another length is let go. */
  #spareOf(bytes: number): ArrayBuffer[] {
    if (this.#spare[0]?.byteLength !== bytes) this.#spare.length = 0;
    return this.#spare;
  }

  clear(): void {
    this.#spare.length = 0;
    this.#largestRead = 0;
  }
}

/** Node's way to memory that is not zeroed, which would take as long as scaling a frame into it. Reads fill all of it. */
function uninitialised(bytes: number): ArrayBuffer {
  return Buffer.allocUnsafeSlow(bytes).buffer;
}

/** Moves the memory of `buffer` to another, by the method that Node has from 22 on or, slower, as messages do. */
function takeOver(buffer: ArrayBuffer): ArrayBuffer {
  const { transfer } = buffer as { transfer?(): ArrayBuffer };
  return transfer?.call(buffer) ?? structuredClone(buffer, { transfer: [buffer] });
}
