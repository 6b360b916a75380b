/**
 * Why a {@link MediaError} was thrown. The list only ever grows; programs may switch on it.
 *
 * | code | meaning |
 * |---|---|
 * | `ERR_NOT_FOUND` | there is no such file |
 * | `ERR_ACCESS` | the file may not be read |
 * | `ERR_IS_DIRECTORY` | the path names a directory |
 * | `ERR_EMPTY` | the file has no bytes |
 * | `ERR_IO` | the operating system failed to read |
 * | `ERR_INVALID_DATA` | not a media file, or one too damaged to open; at the end of one, data in it was too damaged to tell packets apart |
 * | `ERR_NO_VIDEO` | a media file without the video stream asked for |
 * | `ERR_UNSUPPORTED` | no decoder or pixel conversion for this stream in this build |
 * | `ERR_ENCRYPTED` | the stream is encrypted |
 * | `ERR_TRUNCATED` | the file ends before its own tables say it does |
 * | `ERR_DECODE` | a packet could not be decoded |
 * | `ERR_OUT_OF_MEMORY` | an allocation failed |
 * | `ERR_CLOSED` | the `Video` was closed |
 * | `ERR_ADDON` | neither the addon nor, where asked for or fallen back to, beamcoder could be loaded |
 * | `ERR_FFMPEG` | any other failure of an FFmpeg call; `avCode` says which |
 * | `ERR_NOT_SEEKABLE` | a stream would have to be read again, or its format needs going back |
 * | `ERR_DEPENDENCY` | a package that this needs (sharp, for pictures) could not be loaded |
 * | `ERR_TIMEOUT` | a file of an import took longer than it was given |
 */
export type MediaErrorCode =
  | 'ERR_NOT_FOUND'
  | 'ERR_ACCESS'
  | 'ERR_IS_DIRECTORY'
  | 'ERR_EMPTY'
  | 'ERR_IO'
  | 'ERR_INVALID_DATA'
  | 'ERR_NO_VIDEO'
  | 'ERR_UNSUPPORTED'
  | 'ERR_ENCRYPTED'
  | 'ERR_TRUNCATED'
  | 'ERR_DECODE'
  | 'ERR_OUT_OF_MEMORY'
  | 'ERR_CLOSED'
  | 'ERR_ADDON'
  | 'ERR_FFMPEG'
  | 'ERR_NOT_SEEKABLE'
  | 'ERR_DEPENDENCY'
  | 'ERR_TIMEOUT';

/** What {@link MediaError} knows beside its code and message. */
export interface MediaErrorDetails {
  /** The path (or description) of the source, where there is one. */
  source?: string | undefined;
  /** FFmpeg's negative error code, where an FFmpeg call failed. */
  avCode?: number | undefined;
  /** Presentation time in seconds near which decoding failed, where known. */
  time?: number | undefined;
  cause?: unknown;
}

/**
 * The world's failure: a file that is missing, damaged, unsupported or unreadable.
 * The message reads `source: call: FFmpeg's words`. A caller's mistake is a `TypeError` or `RangeError` instead.
 */
export class MediaError extends Error {
  override readonly name = 'MediaError';
  /** Why, for programs. */
  readonly code: MediaErrorCode;
  /** The path (or description) of the source, where there is one. */
  readonly source: string | undefined;
  /** FFmpeg's negative error code, where an FFmpeg call failed. */
  readonly avCode: number | undefined;
  /** Presentation time in seconds near which decoding failed, where known. */
  readonly time: number | undefined;

  /** @internal */
  constructor(code: MediaErrorCode, message: string, details: MediaErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.source = details.source;
    this.avCode = details.avCode;
    this.time = details.time;
  }
}
