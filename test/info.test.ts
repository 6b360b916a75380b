import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { probe, type VideoInfo } from '../src/index.ts';
import { CLIPS, clip, facts, type GoodClip, testOf } from './helpers/clips.ts';
import { ffmpeg, ffmpegTest } from './helpers/ffmpeg.ts';
import { mediaFile, mediaTest } from './helpers/media.ts';
import { MEDIA_NAMES } from './helpers/media-names.ts';

const exec = promisify(execFile);

/** What ffprobe says of one stream, as far as it is compared. */
type Probed = Record<string, string | number | undefined>;

async function ffprobe(path: string, index: number): Promise<Probed> {
  const { stdout } = await exec('ffprobe', [
    ...['-v', 'quiet', '-of', 'json', '-show_streams', path],
  ]);
  const { streams } = JSON.parse(stdout) as { streams: Probed[] };
  return streams.find((stream) => stream.index === index) ?? {};
}

function rational(text: unknown): { num: number; den: number } | null {
  const [num = 0, den = 0] = String(text).split(/[:/]/).map(Number);
  return num > 0 && den > 0 ? { num, den } : null;
}

const unknown = (text: unknown) =>
  text === undefined || text === 'unknown' || text === 'unspecified' ? null : text;

/** The facts that both know, from ffprobe's words. */
function expected(stream: Probed) {
  const range = { tv: 'limited', pc: 'full' }[String(stream.color_range)] ?? null;
  return {
    codec: stream.codec_name,
    // Profiles without a name are printed as numbers.
    profile: /^\d+$/.test(String(stream.profile)) ? null : unknown(stream.profile),
    width: stream.width,
    height: stream.height,
    sampleAspectRatio: rational(stream.sample_aspect_ratio) ?? { num: 1, den: 1 },
    pixelFormat: unknown(stream.pix_fmt),
    timeBase: rational(stream.time_base),
    averageFrameRate: rational(stream.avg_frame_rate),
    startTime:
      stream.start_time === undefined
        ? null
        : expect.closeTo(Number(stream.start_time), 5),
    color: {
      primaries: unknown(stream.color_primaries),
      transfer: unknown(stream.color_transfer),
      matrix: unknown(stream.color_space),
      range,
      chromaLocation: unknown(stream.chroma_location),
    },
    ...(stream.nb_frames === undefined
      ? {}
      : { frameCount: Number(stream.nb_frames), frameCountSource: 'container' }),
  };
}

describe('facts equal those of ffprobe', () => {
  for (const name of Object.keys(CLIPS) as GoodClip[]) {
    testOf(name)(name, async () => {
      const info = await probe(clip(name));
      expect(info).toMatchObject(expected(await ffprobe(clip(name), info.streamIndex)));
      const { rotation = 0, flipped = false, width, height } = facts(name);
      expect(info).toMatchObject({ rotation, flipped, width, height });
      expect(JSON.parse(JSON.stringify(info))).toEqual(info);
    });
  }
  for (const name of MEDIA_NAMES) {
    mediaTest(name, async () => {
      const path = mediaFile(`media/${name}`);
      const info = await probe(path);
      expect(info).toMatchObject(expected(await ffprobe(path, info.streamIndex)));
    });
  }
});

describe('facts', () => {
  testOf('upright.mp4')('tell chapters and timecode', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'rushes-info-'));
    try {
      const marks = join(directory, 'chapters.txt');
      const path = join(directory, 'chapters.mov');
      await writeFile(
        marks,
        `;FFMETADATA1
[CHAPTER]
TIMEBASE=1/1000
START=0
END=400
title=One
[CHAPTER]
TIMEBASE=1/1000
START=400
END=1000
title=Two
`,
      );
      await ffmpeg([
        ...['-i', clip('upright.mp4'), '-i', marks, '-map_metadata', '1'],
        ...['-timecode', '01:02:03:04', '-c', 'copy', path],
      ]);
      const { chapters, timecode } = await probe(path);
      expect(chapters).toEqual([
        { start: 0, end: 0.4, title: 'One' },
        { start: 0.4, end: 1, title: 'Two' },
      ]);
      expect(timecode).toBe('01:02:03:04');
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  testOf('upright.mp4')('leave out what a file does not have', async () => {
    const { chapters, timecode, hdr } = await probe(clip('upright.mp4'));
    expect({ chapters, timecode, hdr }).toEqual({
      chapters: [],
      timecode: null,
      hdr: null,
    });
  });

  mediaTest('name high dynamic range', async () => {
    const kind = async (name: string): Promise<VideoInfo['hdr']> =>
      (await probe(mediaFile(`media/${name}`))).hdr;
    expect(await kind('nasa_13013_hdr.mp4')).toBe('hdr10');
    expect(await kind('fall-hlg.mov')).toBe('hlg');
    expect(await kind('bikes.mp4')).toBeNull();
  });

  mediaTest('tell varying frame rates from constant ones', async () => {
    const varies = async (name: string) =>
      (await probe(mediaFile(`media/${name}`))).variableFrameRate;
    expect(await varies('fire2.mp4')).toBe(true);
    expect(await varies('bikes.mp4')).toBe(false);
  });

  mediaTest('of the best video stream, or of the one asked for', async () => {
    const path = mediaFile('media/nasa_13013.mp4');
    expect(await probe(path)).toMatchObject({ streamIndex: 3, width: 480, height: 270 });
    expect(await probe(path, { streamIndex: 0 })).toMatchObject({
      width: 320,
      height: 180,
    });
    await expect(probe(path, { streamIndex: 1 })).rejects.toMatchObject({
      code: 'ERR_NO_VIDEO',
    });
  });

  testOf('upright.mp4')('of the video stream in a language', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'rushes-info-'));
    try {
      const path = join(directory, 'languages.mkv');
      await ffmpeg([
        ...['-i', clip('upright.mp4'), '-i', clip('odd-size.mp4'), '-map', '0:v'],
        ...['-map', '1:v', '-c', 'copy', '-metadata:s:v:0', 'language=eng'],
        ...['-metadata:s:v:1', 'language=fre', path],
      ]);
      expect(await probe(path, { language: 'eng' })).toMatchObject({ width: 96 });
      expect(await probe(path, { language: 'fre' })).toMatchObject({ width: 161 });
      await expect(probe(path, { language: 'ger' })).rejects.toMatchObject({
        code: 'ERR_NO_VIDEO',
      });
      await expect(probe(path, { language: 'German!' })).rejects.toThrow(TypeError);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

ffmpegTest('a picture attached to a film is not taken for the film', async () => {
  const info = await probe(clip('attached-picture.mp4'));
  expect(info.streams.filter(({ attachedPicture }) => attachedPicture)).toHaveLength(1);
  expect(info.streams[info.streamIndex]).toMatchObject({ attachedPicture: false });
});

test('a mistake is a TypeError', async () => {
  await expect(probe('')).rejects.toThrow(TypeError);
  await expect(probe(new URL('https://example.org/a.mp4'))).rejects.toThrow(TypeError);
});
