import { join } from 'node:path';
import { expect } from 'vitest';
import { openVideo } from '../src/index.ts';
import { clip, testOf } from './helpers/clips.ts';
import { ffmpeg, ffmpegTest } from './helpers/ffmpeg.ts';
import { mediaFile, mediaTest } from './helpers/media.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

/** Mean of all bytes. */
function mean(data: Uint8Array): number {
  return data.reduce((sum, value) => sum + value, 0) / data.length;
}

mediaTest('high dynamic range is brought down, unless toneMap is off', async () => {
  // A sunny day, graded for HDR: as coded it looks grey and dim.
  const path = mediaFile('media/hdr10-video-with-sdr-container.mp4');
  await using mapped = await openVideo(path, { width: 160 });
  await using coded = await openVideo(path, { width: 160, toneMap: false });
  const bright = await mapped.frameAt({ index: 0 });
  const dim = await coded.frameAt({ index: 0 });
  expect(mean(bright.data)).toBeGreaterThan(mean(dim.data) + 10);

  // All 8-bit RGB layouts and grey agree.
  const { data } = bright;
  for (const pixelFormat of ['bgr24', 'rgba', 'gray8'] as const) {
    await using other = await openVideo(path, { width: 160, pixelFormat });
    const frame = await other.frameAt({ index: 0 });
    const step = { bgr24: 3, rgba: 4, gray8: 1 }[pixelFormat];
    for (let i = 0; i < frame.width * frame.height; i += 97) {
      const [r = 0, g = 0, b = 0] = data.subarray(3 * i, 3 * i + 3);
      const pixel = [...frame.data.subarray(step * i, step * i + step)];
      const luma = Math.floor(0.2126 * r + 0.7152 * g + 0.0722 * b + 0.5);
      const wanted = { bgr24: [b, g, r], rgba: [r, g, b, 255], gray8: [luma] };
      // Grey is reckoned in single precision, which may round the other way.
      if (pixelFormat === 'gray8')
        expect(Math.abs((pixel[0] ?? 0) - luma)).toBeLessThan(2);
      else expect(pixel).toEqual(wanted[pixelFormat]);
    }
  }
});

mediaTest('without tone mapping the signal is that of the ffmpeg tool', async () => {
  const path = mediaFile('media/nasa_13013_hdr.mp4');
  await using video = await openVideo(path, { toneMap: false });
  const wanted = await ffmpeg([
    ...['-i', path, '-frames:v', '1', '-pix_fmt', 'rgb24', '-f', 'rawvideo'],
    ...['-sws_flags', 'bicubic+accurate_rnd+full_chroma_int+full_chroma_inp', '-'],
  ]);
  const frame = await video.frameAt({ index: 0 });
  expect(Buffer.from(frame.data).equals(wanted)).toBe(true);
});

const directory = temporaryDirectory();

for (const format of ['yuva420p', 'yuva422p10le', 'bgra', 'gbrp16le'] as const) {
  ffmpegTest(
    `${format} is converted as ffmpeg does it accurately, alpha too`,
    async () => {
      const path = join(directory, `${format}.mkv`);
      await ffmpeg([
        ...['-y', '-f', 'lavfi', '-i', 'testsrc2=s=97x64:r=5:d=0.4', '-vf'],
        `format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='X*2',format=${format}`,
        ...['-c:v', 'ffv1', path],
      ]);
      for (const pixelFormat of ['rgb24', 'rgba', 'bgr24'] as const) {
        await using video = await openVideo(path, { pixelFormat });
        const wanted = await ffmpeg([
          ...['-i', path, '-frames:v', '1', '-pix_fmt', pixelFormat, '-f', 'rawvideo'],
          ...['-sws_flags', 'bicubic+accurate_rnd+full_chroma_int+full_chroma_inp', '-'],
        ]);
        const { data } = await video.frameAt({ index: 0 });
        expect(Buffer.from(data).equals(wanted)).toBe(true);
      }
    },
  );
}

mediaTest('standard dynamic range is left alone', async () => {
  const path = mediaFile('media/bikes.mp4');
  await using on = await openVideo(path);
  await using off = await openVideo(path, { toneMap: false });
  const [a, b] = [await on.frameAt(1), await off.frameAt(1)];
  expect(Buffer.from(a.data).equals(b.data)).toBe(true);
});

// swscale's vector code converts eight pixels at a time, and stores three bytes for each.
testOf('cuts.mp4')('every pixel of a row is converted, whatever its width', async () => {
  for (const width of [10, 21, 42, 43, 63, 64, 65, 85, 106, 127, 150]) {
    const first = async (pixelFormat: 'rgb24' | 'bgr24' | 'rgba') => {
      await using video = await openVideo(clip('cuts.mp4'), { width, pixelFormat });
      return (await video.frameAt({ index: 70 })).data;
    };
    const [rgb, bgr, rgba] = await Promise.all(
      (['rgb24', 'bgr24', 'rgba'] as const).map(first),
    );
    const red = (data: Uint8Array, step: number, at: number) =>
      data.filter((_, i) => i % step === at);
    expect(red(rgb as Uint8Array, 3, 0), `${width}`).toEqual(
      red(rgba as Uint8Array, 4, 0),
    );
    expect(red(bgr as Uint8Array, 3, 2), `${width}`).toEqual(
      red(rgba as Uint8Array, 4, 0),
    );
  }
});

ffmpegTest('what is made smaller is the average of what it covers', async () => {
  const path = join(directory, 'smaller.mkv');
  await ffmpeg([
    ...['-y', '-f', 'lavfi', '-i', 'testsrc2=s=192x108:r=5:d=0.2', '-vf'],
    ...['format=yuv420p', '-c:v', 'ffv1', path],
  ]);
  const [width, height] = [64, 36];
  await using large = await openVideo(path, { pixelFormat: 'native' });
  await using planes = await openVideo(path, { width, pixelFormat: 'yuv420p' });
  await using grey = await openVideo(path, { width, pixelFormat: 'gray8' });
  const [source, luma, full] = await Promise.all(
    [large, planes, grey].map(async (video) => (await video.frameAt({ index: 0 })).data),
  );
  if (!source || !luma || !full) throw new Error('a frame is missing');
  for (let y = 0; y < height; ++y) {
    for (let x = 0; x < width; ++x) {
      let sum = 0;
      for (let i = 0; i < 9; ++i) {
        sum += source[(3 * y + Math.floor(i / 3)) * 192 + 3 * x + (i % 3)] ?? NaN;
      }
      // Half a level is rounding; the rest is for machines on which swscale does it.
      const stretched = Math.min(255, Math.max(0, ((sum / 9 - 16) * 255) / 219));
      expect(Math.abs((luma[y * width + x] ?? NaN) - sum / 9)).toBeLessThan(1.1);
      expect(Math.abs((full[y * width + x] ?? NaN) - stretched)).toBeLessThan(1.6);
    }
  }
});
