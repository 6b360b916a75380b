import type { Frame, Video } from '../index.ts';

/** What `rushes frames` does with the frames of one file. */
export interface FrameConsumer {
  /** Whether it prints while frames come, so that a progress bar would be in its way. */
  readonly prints: boolean;
  begin(video: Video): Promise<void>;
  /** Takes a frame, and may give its memory back (`video.recycle`); settles once there is room for the next. */
  add(frame: Frame): Promise<void>;
  /** @returns what `--json` prints of the file, beside its source and errors */
  finish(): Promise<object>;
  /** Called last, also after a failure: nothing goes on in the background after this. */
  release(): Promise<void>;
}
