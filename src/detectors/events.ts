import type { AnalysisEvent, SpanEvent } from '../analysis.ts';
import { CutDetector, type DecidedFrame, type TimedChange } from './cuts.ts';
import { BlackDetector, FlashDetector, FreezeDetector, ShakeDetector } from './spans.ts';
import {
  byTime,
  type ColoredCut,
  distinct,
  type Transition,
  TransitionDetector,
  withoutCuts,
  withoutTransitions,
} from './transitions.ts';

/** Runs every detector that looks at each decoded frame. What it holds besides the events does not grow with the film. */
export class EventDetector {
  readonly #cutDetector = new CutDetector();
  readonly #transitionDetector = new TransitionDetector();
  readonly #spanDetectors = [
    ...[new BlackDetector(), new FreezeDetector()],
    ...[new FlashDetector(), new ShakeDetector()],
  ];
  readonly #cuts: ColoredCut[] = [];
  readonly #transitions: Transition[] = [];
  readonly #spans: SpanEvent[] = [];

  /** Takes the next decoded frame. Gives the frames for whose `sceneScore` enough has been seen, each once and in order. */
  push(frame: TimedChange): readonly DecidedFrame[] {
    this.#transitions.push(...this.#transitionDetector.push(frame));
    for (const detector of this.#spanDetectors) this.#spans.push(...detector.push(frame));
    return this.#decided(this.#cutDetector.push(frame));
  }

  /** Ends the film, whose last frame was shown until `end`. */
  finish(end: number): { frames: readonly DecidedFrame[]; events: AnalysisEvent[] } {
    const frames = this.#decided(this.#cutDetector.finish());
    this.#transitions.push(...this.#transitionDetector.finish());
    for (const detector of this.#spanDetectors) this.#spans.push(...detector.finish(end));
    const transitions = withoutCuts(distinct(this.#transitions), this.#cuts);
    const cuts = withoutTransitions(this.#cuts, transitions);
    return {
      frames,
      events: [...cuts, ...transitions, ...this.#spans].sort(byTime),
    };
  }

  #decided(frames: readonly DecidedFrame[]): readonly DecidedFrame[] {
    for (const { cut, color } of frames) {
      if (cut !== null) this.#cuts.push({ cut, color });
    }
    return frames;
  }
}
