import type { VideoInfo } from './info.ts';
import type { OpenOptions, VideoSource } from './options.ts';
import { openVideo } from './video.ts';

/**
 * Says what a video is, from its container and first packets.
 *
 * @throws {MediaError} as `openVideo` does
 */
export async function probe(
  source: VideoSource,
  options: Pick<OpenOptions, 'streamIndex' | 'language' | 'backend' | 'signal'> = {},
): Promise<VideoInfo> {
  // Not the caller's options: nothing else of them may have an effect.
  const { streamIndex, language, backend, signal } = options;
  await using video = await openVideo(source, {
    streamIndex,
    language,
    backend,
    signal,
    threads: 1,
  });
  return video.info;
}
