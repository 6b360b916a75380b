/** What {@link RemoteDecoder} and the process that decodes for it say to each other. */
import type {
  NativeFailure,
  NativeInfo,
  NativeOutput,
  NativeRead,
  NativeSelection,
} from '../../native.ts';

/** How the process opens a file. */
export interface OpenRequest {
  /** An absolute path. */
  path: string;
  /** The file is a copy of bytes or of a stream: it may not lead to other files. */
  alone: boolean;
  streamIndex: number;
  language: string;
  threads: number;
  skipErrors: boolean;
}

/** The calls of `NativeDecoder`, what they take and what they answer. */
export interface Calls {
  open: { takes: OpenRequest; gives: NativeInfo };
  start: { takes: { selection: NativeSelection; output: NativeOutput }; gives: null };
  startAt: { takes: { frames: number[]; output: NativeOutput }; gives: null };
  /** The rows of the index follow as a part. */
  index: { takes: null; gives: { frames: number; fromPackets: boolean } };
  /** The rows of an index follow as a part. */
  setIndex: { takes: { fromPackets: boolean }; gives: null };
  /** Rows, then the frames' bytes, follow as parts. */
  read: { takes: { capacities: number[] }; gives: NativeRead };
  /** Rows follow as a part. */
  measure: { takes: { capacity: number }; gives: NativeRead };
}

export type CallName = keyof Calls;

/** From the caller: a call, or the wish that passes up to this one stop. */
export type Request =
  | { call: CallName; id: number; pass: number; takes: unknown }
  | { cancel: number };

/** From the process: that it has loaded beamcoder or why not, once; then an answer to each call. */
export type Response =
  | { loaded: string | null }
  | { id: number; gives: unknown }
  | { id: number; failure: NativeFailure };
