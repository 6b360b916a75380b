import { Failure } from './failure.ts';

/** Tells the decoder to stop what it is doing: `Interrupt` in native/interrupt.h. Felt between two calls of beamcoder. */
export class Interrupt {
  #working = 1;
  #cancelled = 0;

  /** Passes up to this one stop. */
  cancel(pass: number): void {
    this.#cancelled = Math.max(this.#cancelled, pass);
  }

  enter(pass: number): void {
    this.#working = pass;
  }

  /** @throws {Failure} `ERR_ABORTED` */
  check(): void {
    if (this.#working <= this.#cancelled) {
      throw new Failure('ERR_ABORTED', 'the read was aborted');
    }
  }
}
