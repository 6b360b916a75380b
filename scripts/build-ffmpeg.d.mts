/** What the tests use of build-ffmpeg.mjs. */
export const SOURCES: Record<string, { version: string; url: string; sha256: string }>;
export function ffmpegBuild(target?: string): { complete: boolean };
