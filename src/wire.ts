/**
 * What two processes say to each other over one socket. A message is a line of JSON, led by its length, and then raw bytes,
 * so that pixels are neither encoded nor copied more often than the socket does.
 */
import type { Writable } from 'node:stream';

/** Begins every message: `uint32` little-endian, the bytes of the JSON that follows. */
const LENGTH_BYTES = 4;

interface Envelope<Header> {
  header: Header;
  /** Bytes of each part that follows. */
  parts: number[];
}

/** Sends one message. */
export function sendMessage(
  socket: Writable,
  header: object,
  parts: readonly Uint8Array[] = [],
): void {
  const envelope = { header, parts: parts.map(({ byteLength }) => byteLength) };
  const json = Buffer.from(JSON.stringify(envelope));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(json.length);
  socket.cork();
  for (const piece of [length, json, ...parts]) {
    if (piece.byteLength > 0) socket.write(piece);
  }
  socket.uncork();
}

/** What a receiver does with messages. */
export interface Receiver<Header> {
  /** Memory for the parts of a message that has begun, of exactly these lengths. */
  allocate(header: Header, lengths: readonly number[]): readonly Uint8Array[];
  /** The message is complete, its parts filled. */
  receive(header: Header, parts: readonly Uint8Array[]): void;
}

/** What is being read of a message. */
type Stage = 'length' | 'json' | 'parts';

/** Takes a socket's chunks apart into messages. */
export class MessageReader<Header> {
  readonly #receiver: Receiver<Header>;
  /** What is being filled now, in order: the length, the JSON, or the parts. */
  #targets: readonly Uint8Array[] = [new Uint8Array(LENGTH_BYTES)];
  #stage: Stage = 'length';
  #target = 0;
  #filled = 0;
  #envelope: Envelope<Header> | undefined;

  constructor(receiver: Receiver<Header>) {
    this.#receiver = receiver;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    for (;;) {
      const target = this.#targets[this.#target];
      if (target === undefined) {
        this.#next();
        continue;
      }
      const size = Math.min(target.byteLength - this.#filled, chunk.byteLength - at);
      target.set(chunk.subarray(at, at + size), this.#filled);
      at += size;
      this.#filled += size;
      if (this.#filled < target.byteLength) return;
      this.#target++;
      this.#filled = 0;
    }
  }

  #next(): void {
    const [bytes] = this.#targets;
    if (this.#stage === 'length') {
      const length = Buffer.from(bytes as Uint8Array).readUInt32LE();
      this.#fill('json', [new Uint8Array(length)]);
    } else if (this.#stage === 'json') {
      const json = Buffer.from(bytes as Uint8Array).toString();
      this.#envelope = JSON.parse(json) as Envelope<Header>;
      const { header, parts } = this.#envelope;
      this.#fill('parts', this.#receiver.allocate(header, parts));
    } else {
      const parts = this.#targets;
      this.#fill('length', [new Uint8Array(LENGTH_BYTES)]);
      this.#receiver.receive((this.#envelope as Envelope<Header>).header, parts);
    }
  }

  #fill(stage: Stage, targets: readonly Uint8Array[]): void {
    this.#stage = stage;
    this.#targets = targets;
    this.#target = 0;
    this.#filled = 0;
  }
}
